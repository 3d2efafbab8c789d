// SPDX-License-Identifier: Apache-2.0
#include "identity/jwks.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>

#include "base/strings.h"
#include "identity/openssl.h"

namespace identity {
namespace {

struct Algorithm {
  std::string_view name, curve;  // of the keys that it is used with
  const EVP_MD* (*digest)();
  bool pss = false;
  size_t half = 0;  // of an ECDSA signature: r, then s
};
const Algorithm kAlgorithms[] = {
    {"RS256", "RSA", EVP_sha256},
    {"RS384", "RSA", EVP_sha384},
    {"RS512", "RSA", EVP_sha512},
    {"PS256", "RSA", EVP_sha256, true},
    {"PS384", "RSA", EVP_sha384, true},
    {"PS512", "RSA", EVP_sha512, true},
    {"ES256", "P-256", EVP_sha256, false, 32},
    {"ES384", "P-384", EVP_sha384, false, 48},
    {"ES512", "P-521", EVP_sha512, false, 66},
    {"EdDSA", "Ed25519", nullptr},
};
const Algorithm* find_algorithm(std::string_view name) {
  auto it = std::find_if(std::begin(kAlgorithms), std::end(kAlgorithms),
                         [&](const Algorithm& known) { return known.name == name; });
  return it == std::end(kAlgorithms) ? nullptr : it;
}

struct Curve {
  std::string_view name;
  const char* group;
  size_t size;  // of a coordinate
};
constexpr Curve kCurves[] = {{"P-256", "prime256v1", 32}, {"P-384", "secp384r1", 48}, {"P-521", "secp521r1", 66}};
constexpr int kLeastRsa = 2048, kMostRsa = 8192;
constexpr size_t kMostKeys = 128;

std::string bytes_of(const base::Json& jwk, std::string_view name) {
  return base::from_base64url(base::text(jwk, name)).value_or("");
}

using Builder = ssl::Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using Parameters = ssl::Owned<OSSL_PARAM, OSSL_PARAM_free>;

base::Result<PublicKey> built(const char* kind, Builder& builder) {
  Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  ssl::KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr));
  EVP_PKEY* raw = nullptr;
  if (EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &raw, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1)
    return ssl::fail(base::ErrorKind::Invalid, "the web key is not a key");
  PublicKey key(raw);
  ssl::KeyContext check(EVP_PKEY_CTX_new_from_pkey(nullptr, raw, nullptr));
  if (EVP_PKEY_public_check(check.get()) != 1)
    return ssl::fail(base::ErrorKind::Invalid, "the web key is not a valid key");
  return key;
}

base::Result<PublicKey> rsa_key(const base::Json& jwk) {
  std::string modulus = bytes_of(jwk, "n"), exponent = bytes_of(jwk, "e");
  if (modulus.empty() || modulus.size() > kMostRsa / 8 || exponent.empty() || exponent.size() > 8)
    return base::fail(base::ErrorKind::Invalid, "the RSA web key is malformed");
  auto number = [](const std::string& bytes) {
    return ssl::Number(
        BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()), nullptr));
  };
  ssl::Number n = number(modulus), e = number(exponent);  // must live until the parameters are built
  if (BN_num_bits(n.get()) < kLeastRsa) return base::fail(base::ErrorKind::Invalid, "the RSA web key is too short");
  Builder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  return built("RSA", builder);
}

base::Result<PublicKey> ec_key(const base::Json& jwk, const Curve& curve) {
  std::string x = bytes_of(jwk, "x"), y = bytes_of(jwk, "y"), point = "\x04" + x + y;
  if (x.size() != curve.size || y.size() != curve.size)
    return base::fail(base::ErrorKind::Invalid, "the elliptic web key is malformed");
  Builder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve.group, 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  return built("EC", builder);
}

// OpenSSL speaks DER; JWS wants r and s as they are (RFC 7518, 3.4).
std::string der_of(std::string_view halves) {
  auto* bytes = reinterpret_cast<const unsigned char*>(halves.data());
  int half = static_cast<int>(halves.size() / 2);
  ssl::EcdsaSignature signature(ECDSA_SIG_new());
  ECDSA_SIG_set0(signature.get(), BN_bin2bn(bytes, half, nullptr), BN_bin2bn(bytes + half, half, nullptr));
  unsigned char* der = nullptr;
  int size = i2d_ECDSA_SIG(signature.get(), &der);
  std::string out(reinterpret_cast<char*>(der), size > 0 ? static_cast<size_t>(size) : 0);
  OPENSSL_free(der);
  return out;
}

}  // namespace

bool Jwks::supports(std::string_view algorithm) { return find_algorithm(algorithm) != nullptr; }

base::Result<Jwks::Key> Jwks::key_of(const base::Json& from) {
  auto make = [&](std::string_view curve, PublicKey key) {
    return Key{.id = std::string(base::text(from, "kid")),
               .algorithm = std::string(base::text(from, "alg")),
               .curve = std::string(curve),
               .key = std::move(key)};
  };
  std::string_view use = base::text(from, "use"), type = base::text(from, "kty"), name = base::text(from, "crv");
  if (!use.empty() && use != "sig") return base::fail(base::ErrorKind::Invalid, "the web key is not for signatures");
  if (type == "RSA") return make("RSA", TRY(rsa_key(from)));
  if (type == "EC")
    for (const Curve& curve : kCurves)
      if (curve.name == name) return make(name, TRY(ec_key(from, curve)));
  if (type == "OKP" && name == "Ed25519") {
    std::string raw = bytes_of(from, "x");
    EVP_PKEY* key = raw.size() == 32
                        ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr,
                                                      reinterpret_cast<const unsigned char*>(raw.data()), raw.size())
                        : nullptr;
    if (key) return make(name, PublicKey(key));
  }
  return base::fail(base::ErrorKind::Invalid, "a web key of a kind that is not known");
}

base::Result<Jwks> Jwks::parse(std::string_view text) {
  auto problem = [](const char* message) { return base::fail(base::ErrorKind::Invalid, message); };
  auto json = base::parse_json(text, base::Duplicates::Refuse);
  if (!json || !json->is_object()) return problem("Jwks is an invalid JSON");
  auto keys = json->find("keys");
  if (keys == json->end()) return problem("Jwks does not have [keys] field");
  if (!keys->is_array()) return problem("[keys] in Jwks is not an array");
  Jwks out;
  bool symmetric = false;
  for (const base::Json& one : *keys) {
    if (out.keys_.size() >= kMostKeys) break;
    symmetric |= base::text(one, "kty") == "oct";
    if (auto key = key_of(one)) out.keys_.push_back(std::move(*key));
  }
  if (out.keys_.empty())
    return base::fail(symmetric ? base::ErrorKind::NotFound : base::ErrorKind::Invalid,
                      "Jwks doesn't have any valid public key");
  return out;
}

bool Jwks::verify_with(const Key& key, const Jwt& token) {
  const Algorithm& algorithm = *find_algorithm(token.algorithm());
  std::string der = token.signature;
  if (algorithm.half) {
    if (token.signature.size() != 2 * algorithm.half) return false;
    der = der_of(token.signature);
  }
  ssl::DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;  // the context's
  bool good = EVP_DigestVerifyInit(context.get(), &options, algorithm.digest ? algorithm.digest() : nullptr, nullptr,
                                   key.key.native()) == 1;
  if (good && algorithm.pss)
    good = EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1;
  good = good && EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(der.data()), der.size(),
                                  reinterpret_cast<const unsigned char*>(token.signed_part.data()),
                                  token.signed_part.size()) == 1;
  ERR_clear_error();
  return good;
}

Jwks::Verdict Jwks::verify(const Jwt& token) const {
  const Algorithm* algorithm = find_algorithm(token.algorithm());
  if (!algorithm) return Verdict::NoKey;
  bool tried = false;
  for (const Key& key : keys_) {
    if (!token.key_id().empty() && !key.id.empty() && token.key_id() != key.id) continue;
    if (key.curve != algorithm->curve || (!key.algorithm.empty() && key.algorithm != algorithm->name)) continue;
    tried = true;
    if (verify_with(key, token)) return Verdict::Good;
  }
  return tried ? Verdict::Bad : Verdict::NoKey;
}

}  // namespace identity
