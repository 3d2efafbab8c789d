// SPDX-License-Identifier: Apache-2.0
#include "identity/jwt.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include "base/strings.h"
#include "identity/openssl.h"

namespace identity {

using base::ErrorKind;
using base::Json;

namespace {

constexpr size_t kMaxToken = 16 * 1024;
constexpr size_t kHalf = 32;  // of an ES256 signature: r, then s

std::string_view algorithm_of(KeyType type) { return type == KeyType::Rsa2048 ? "RS256" : "ES256"; }

bool is_p256(const EVP_PKEY* key) { return EVP_PKEY_get_bits(key) == 256; }

// OpenSSL speaks DER; JWS wants r and s as they are (RFC 7518, 3.4).
std::string der_of(std::string_view halves) {
  auto* bytes = reinterpret_cast<const unsigned char*>(halves.data());
  ssl::EcdsaSignature signature(ECDSA_SIG_new());
  ECDSA_SIG_set0(signature.get(), BN_bin2bn(bytes, kHalf, nullptr), BN_bin2bn(bytes + kHalf, kHalf, nullptr));
  unsigned char* der = nullptr;
  int size = i2d_ECDSA_SIG(signature.get(), &der);
  std::string out(reinterpret_cast<char*>(der), size > 0 ? static_cast<size_t>(size) : 0);
  OPENSSL_free(der);
  return out;
}

std::string halves_of(std::string_view der) {
  auto* at = reinterpret_cast<const unsigned char*>(der.data());
  ssl::EcdsaSignature signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  std::string out(2 * kHalf, '\0');
  auto* bytes = reinterpret_cast<unsigned char*>(out.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), bytes, kHalf);
  BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), bytes + kHalf, kHalf);
  return out;
}

// A NumericDate, whole or fractional; nullopt where absent; far values are capped.
base::Result<std::optional<WallTime>> date(const Json& claims, const char* name) {
  auto it = claims.find(name);
  if (it == claims.end()) return std::nullopt;
  if (!it->is_number())
    return base::fail(ErrorKind::Invalid, "the token's claim \"" + std::string(name) + "\" is no number");
  double seconds = std::clamp(it->get<double>(), 0.0, 253402300799.0);  // the year 9999
  return WallClock::from_time_t(0) + std::chrono::seconds(static_cast<int64_t>(seconds));
}

base::Result<Json> object_of(std::string_view part, std::string_view what) {
  auto text = base::from_base64url(part);
  if (!text) return base::fail(ErrorKind::Invalid, "the token's " + std::string(what) + " is not base64url");
  auto json = base::parse_json(*text, base::Duplicates::Refuse);
  if (!json || !json->is_object())
    return base::fail(ErrorKind::Invalid, "the token's " + std::string(what) + " is not a JSON object");
  return std::move(*json);
}

std::string number_text(const EVP_PKEY* key, const char* parameter, int size) {
  BIGNUM* raw = nullptr;
  EVP_PKEY_get_bn_param(key, parameter, &raw);
  ssl::Number number(raw);
  std::string bytes(static_cast<size_t>(size ? size : BN_num_bytes(number.get())), '\0');
  BN_bn2binpad(number.get(), reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  return base::to_base64url(bytes);
}

}  // namespace

std::vector<std::string> Jwt::audiences() const {
  std::vector<std::string> out;
  auto it = claims.find("aud");
  if (it == claims.end()) return out;
  if (it->is_string()) out.push_back(it->get<std::string>());
  if (it->is_array())
    for (const Json& one : *it)
      if (one.is_string()) out.push_back(one.get<std::string>());
  return out;
}

base::Result<Jwt> Jwt::parse(std::string_view token) {
  if (token.size() > kMaxToken) return base::fail(ErrorKind::Exhausted, "the token is longer than 16 KiB");
  auto parts = base::split(token, '.');
  if (parts.size() != 3) return base::fail(ErrorKind::Invalid, "a token has three parts with dots between");
  Jwt out;
  out.header = TRY(object_of(parts[0], "header"));
  out.claims = TRY(object_of(parts[1], "claims"));
  if (out.header.contains("crit")) return base::fail(ErrorKind::Invalid, "the token demands extensions (\"crit\")");
  auto signature = base::from_base64url(parts[2]);
  if (!signature || signature->empty()) return base::fail(ErrorKind::Invalid, "the token is not signed");
  out.signature = std::move(*signature);
  out.signed_part = std::string(parts[0]) + "." + std::string(parts[1]);
  return out;
}

base::Result<void> Jwt::verify(const PublicKey& key, WallTime now, std::chrono::seconds leeway) const {
  std::string_view expected = algorithm_of(key.type());
  if (algorithm() != expected)
    return base::fail(ErrorKind::Denied, "the token's algorithm is \"" + std::string(algorithm().substr(0, 20)) +
                                             "\", the key's " + std::string(expected));
  std::string der = signature;
  if (key.type() == KeyType::EcP256) {
    if (!is_p256(key.native()) || signature.size() != 2 * kHalf)
      return base::fail(ErrorKind::Denied, "the token's signature has the wrong size");
    der = der_of(signature);
  }
  ssl::DigestContext context(EVP_MD_CTX_new());
  bool good = EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.native()) == 1 &&
              EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(der.data()), der.size(),
                               reinterpret_cast<const unsigned char*>(signed_part.data()), signed_part.size()) == 1;
  ERR_clear_error();
  if (!good) return base::fail(ErrorKind::Denied, "the token's signature does not verify");

  auto expires = TRY(date(claims, "exp"));
  auto not_before = TRY(date(claims, "nbf"));
  auto issued = TRY(date(claims, "iat"));
  if (!expires) return base::fail(ErrorKind::Denied, "the token has no expiry");
  if (now >= *expires + leeway) return base::fail(ErrorKind::Denied, "the token has expired");
  if (not_before && now + leeway < *not_before) return base::fail(ErrorKind::Denied, "the token is not valid yet");
  if (issued && now + leeway < *issued) return base::fail(ErrorKind::Denied, "the token was issued in the future");
  return {};
}

base::Result<std::string> sign_jwt(const Json& claims, const PrivateKey& key, std::string_view key_id) {
  if (key.type() == KeyType::EcP256 && !is_p256(key.native()))
    return base::fail(ErrorKind::Invalid, "tokens are signed with P-256 or RSA");
  Json header = {{"alg", algorithm_of(key.type())}, {"typ", "JWT"}};
  if (!key_id.empty()) header["kid"] = key_id;
  std::string out = base::to_base64url(header.dump()) + "." + base::to_base64url(claims.dump());
  ssl::DigestContext context(EVP_MD_CTX_new());
  size_t size = 0;
  auto* text = reinterpret_cast<const unsigned char*>(out.data());
  if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.native()) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, text, out.size()) != 1)
    return ssl::fail(ErrorKind::Internal, "the token could not be signed");
  std::string signature(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, text, out.size()) != 1)
    return ssl::fail(ErrorKind::Internal, "the token could not be signed");
  signature.resize(size);
  if (key.type() == KeyType::EcP256) signature = halves_of(signature);
  return out + "." + base::to_base64url(signature);
}

Json jwk_of(const PublicKey& key, std::string_view key_id) {
  Json out = {{"use", "sig"}, {"kid", key_id}, {"alg", algorithm_of(key.type())}};
  if (key.type() == KeyType::Rsa2048) {
    out["kty"] = "RSA";
    out["n"] = number_text(key.native(), OSSL_PKEY_PARAM_RSA_N, 0);
    out["e"] = number_text(key.native(), OSSL_PKEY_PARAM_RSA_E, 0);
  } else {
    out["kty"] = "EC";
    out["crv"] = "P-256";
    out["x"] = number_text(key.native(), OSSL_PKEY_PARAM_EC_PUB_X, kHalf);
    out["y"] = number_text(key.native(), OSSL_PKEY_PARAM_EC_PUB_Y, kHalf);
  }
  return out;
}

base::Result<PublicKey> key_of_jwk(const Json& jwk) {
  auto bytes = [&](std::string_view name) { return base::from_base64url(base::text(jwk, name)).value_or(""); };
  using Builder = ssl::Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
  using Parameters = ssl::Owned<OSSL_PARAM, OSSL_PARAM_free>;
  Builder builder(OSSL_PARAM_BLD_new());
  std::string kind, point;
  ssl::Number n, e;  // must live until the parameters are built
  if (base::text(jwk, "kty") == "RSA") {
    kind = "RSA";
    std::string modulus = bytes("n"), exponent = bytes("e");
    if (modulus.size() > 1024 || modulus.empty() || exponent.empty() || exponent.size() > 8)
      return base::fail(ErrorKind::Invalid, "the RSA web key is malformed");
    n.reset(
        BN_bin2bn(reinterpret_cast<const unsigned char*>(modulus.data()), static_cast<int>(modulus.size()), nullptr));
    e.reset(
        BN_bin2bn(reinterpret_cast<const unsigned char*>(exponent.data()), static_cast<int>(exponent.size()), nullptr));
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  } else if (base::text(jwk, "kty") == "EC" && base::text(jwk, "crv") == "P-256") {
    kind = "EC";
    point = "\x04" + bytes("x") + bytes("y");
    if (point.size() != 1 + 2 * kHalf) return base::fail(ErrorKind::Invalid, "the elliptic web key is malformed");
    OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
    OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  } else {
    return base::fail(ErrorKind::Invalid, "a web key that is neither RSA nor P-256");
  }
  Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  ssl::KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, kind.c_str(), nullptr));
  EVP_PKEY* raw = nullptr;
  if (EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &raw, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1)
    return ssl::fail(ErrorKind::Invalid, "the web key is not a key");
  return PublicKey::from_pem(PublicKey(raw).pem());
}

std::string key_id_of(const PublicKey& key) {
  unsigned char* der = nullptr;
  int size = i2d_PUBKEY(key.native(), &der);
  unsigned char digest[SHA256_DIGEST_LENGTH] = {};
  if (size > 0) SHA256(der, static_cast<size_t>(size), digest);
  OPENSSL_free(der);
  return base::to_base64url({reinterpret_cast<char*>(digest), sizeof digest});
}

}  // namespace identity
