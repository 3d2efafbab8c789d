// SPDX-License-Identifier: Apache-2.0
#include "identity/jwks.h"

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/rsa.h>

#include "base/strings.h"
#include "identity/openssl.h"

namespace identity {
namespace {

std::string number_of(const EVP_PKEY* key, const char* name, int size = 0) {
  BIGNUM* raw = nullptr;
  EVP_PKEY_get_bn_param(key, name, &raw);
  ssl::Number number(raw);
  std::string out(static_cast<size_t>(size ? size : BN_num_bytes(raw)), '\0');
  BN_bn2binpad(raw, reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(out.size()));
  return base::to_base64url(out);
}

struct Signer {
  PrivateKey key;
  std::string algorithm;
  int half;  // of an ECDSA signature

  std::string sign(const base::Json& header, const base::Json& claims) const {
    std::string text = base::to_base64url(header.dump()) + "." + base::to_base64url(claims.dump());
    const EVP_MD* digest = algorithm == "EdDSA"         ? nullptr
                           : algorithm.ends_with("256") ? EVP_sha256()
                           : algorithm.ends_with("384") ? EVP_sha384()
                                                        : EVP_sha512();
    ssl::DigestContext context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* options = nullptr;
    EXPECT_EQ(EVP_DigestSignInit(context.get(), &options, digest, nullptr, key.native()), 1);
    if (algorithm.starts_with("PS")) {
      EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST);
    }
    auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    size_t size = 0;
    EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size());
    std::string signature(size, '\0');
    EXPECT_EQ(
        EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, bytes, text.size()),
        1);
    signature.resize(size);
    if (half) {
      auto* at = reinterpret_cast<const unsigned char*>(signature.data());
      ssl::EcdsaSignature parts(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(signature.size())));
      std::string halves(static_cast<size_t>(2 * half), '\0');
      BN_bn2binpad(ECDSA_SIG_get0_r(parts.get()), reinterpret_cast<unsigned char*>(halves.data()), half);
      BN_bn2binpad(ECDSA_SIG_get0_s(parts.get()), reinterpret_cast<unsigned char*>(halves.data()) + half, half);
      signature = halves;
    }
    return text + "." + base::to_base64url(signature);
  }
  std::string sign() const { return sign({{"alg", algorithm}, {"kid", algorithm}}, {{"sub", "me"}}); }

  base::Json jwk(const std::string& kid) const {
    base::Json out{{"kid", kid}};
    if (algorithm == "EdDSA") {
      std::string raw(32, '\0');
      size_t size = raw.size();
      EVP_PKEY_get_raw_public_key(key.native(), reinterpret_cast<unsigned char*>(raw.data()), &size);
      out.update({{"kty", "OKP"}, {"crv", "Ed25519"}, {"x", base::to_base64url(raw)}});
    } else if (half) {
      out.update({{"kty", "EC"},
                  {"crv", half == 32   ? "P-256"
                          : half == 48 ? "P-384"
                                       : "P-521"},
                  {"x", number_of(key.native(), OSSL_PKEY_PARAM_EC_PUB_X, half)},
                  {"y", number_of(key.native(), OSSL_PKEY_PARAM_EC_PUB_Y, half)}});
    } else {
      out.update({{"kty", "RSA"},
                  {"n", number_of(key.native(), OSSL_PKEY_PARAM_RSA_N)},
                  {"e", number_of(key.native(), OSSL_PKEY_PARAM_RSA_E)}});
    }
    return out;
  }
};

Signer signer(const std::string& algorithm) {
  if (algorithm == "EdDSA") return {PrivateKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")), algorithm, 0};
  if (algorithm == "ES256") return {PrivateKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")), algorithm, 32};
  if (algorithm == "ES384") return {PrivateKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-384")), algorithm, 48};
  if (algorithm == "ES512") return {PrivateKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-521")), algorithm, 66};
  return {PrivateKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t{2048})), algorithm, 0};
}

Jwks::Verdict verdict(const base::Json& jwk, const std::string& token) {
  auto keys = Jwks::parse(base::Json{{"keys", base::Json::array({jwk})}}.dump());
  auto jwt = Jwt::parse(token);
  if (!keys || !jwt) return Jwks::Verdict::NoKey;
  return keys->verify(*jwt);
}

TEST(Jwks, EveryAlgorithmVerifiesItsOwnSignatureAndNoOther) {
  for (const char* algorithm : {"RS256", "RS384", "RS512", "PS256", "PS512", "ES256", "ES384", "ES512", "EdDSA"}) {
    Signer one = signer(algorithm);
    std::string token = one.sign();
    EXPECT_EQ(verdict(one.jwk(algorithm), token), Jwks::Verdict::Good) << algorithm;
    token[token.find('.') + 4] ^= 1;
    EXPECT_NE(verdict(one.jwk(algorithm), token), Jwks::Verdict::Good) << algorithm;
  }
}

TEST(Jwks, TheKeyDecidesWhatItIsUsedFor) {
  Signer rsa = signer("RS256");
  EXPECT_EQ(verdict(rsa.jwk("k"), rsa.sign({{"alg", "RS256"}, {"kid", "other"}}, base::Json::object())),
            Jwks::Verdict::NoKey);
  EXPECT_EQ(verdict(rsa.jwk(""), rsa.sign({{"alg", "RS256"}, {"kid", "other"}}, base::Json::object())),
            Jwks::Verdict::Good)
      << "the key has no name";
  EXPECT_EQ(verdict(rsa.jwk("k"), rsa.sign({{"alg", "none"}}, base::Json::object())), Jwks::Verdict::NoKey);
  EXPECT_EQ(verdict(rsa.jwk("k"), rsa.sign({{"alg", "HS256"}}, base::Json::object())), Jwks::Verdict::NoKey);
  EXPECT_EQ(verdict(rsa.jwk("k"), rsa.sign({{"alg", "PS256"}}, base::Json::object())), Jwks::Verdict::Bad);
  base::Json bound = rsa.jwk("k");
  bound["alg"] = "RS512";
  EXPECT_EQ(verdict(bound, rsa.sign({{"alg", "RS256"}}, base::Json::object())), Jwks::Verdict::NoKey);
  base::Json encryption = rsa.jwk("k");
  encryption["use"] = "enc";
  EXPECT_FALSE(Jwks::parse(base::Json{{"keys", base::Json::array({encryption})}}.dump()));
}

TEST(Jwks, WhatIsNoKeySetSaysWhyInEnvoysWords) {
  EXPECT_EQ(Jwks::parse("{").error().message, "Jwks is an invalid JSON");
  EXPECT_EQ(Jwks::parse("{}").error().message, "Jwks does not have [keys] field");
  EXPECT_EQ(Jwks::parse(R"({"keys": 1})").error().message, "[keys] in Jwks is not an array");
  EXPECT_EQ(Jwks::parse(R"({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]})").error().message,
            "Jwks doesn't have any valid public key");
  EXPECT_EQ(Jwks::parse(R"({"keys": [{"kty": "oct", "k": "AAAA"}]})").error().kind, base::ErrorKind::NotFound);
}

}  // namespace
}  // namespace identity
