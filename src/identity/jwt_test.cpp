// SPDX-License-Identifier: Apache-2.0
#include "identity/jwt.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace identity {
namespace {

using namespace std::chrono_literals;
using base::Json;

const WallTime kNow = WallClock::from_time_t(1'800'000'000);

Json claims() {
  return {{"iss", "https://issuer"},
          {"sub", "system:serviceaccount:default:nginx"},
          {"aud", {"istio-ca"}},
          {"iat", 1'800'000'000},
          {"exp", 1'800'003'600}};
}

class JwtOf : public testing::TestWithParam<KeyType> {};
INSTANTIATE_TEST_SUITE_P(Keys, JwtOf, testing::Values(KeyType::EcP256, KeyType::Rsa2048));

TEST_P(JwtOf, ASignedTokenVerifiesWithItsKeyAlone) {
  PrivateKey key = PrivateKey::generate(GetParam()).value();
  PublicKey published = key_of_jwk(jwk_of(key.public_key(), "k1")).value();
  std::string token = sign_jwt(claims(), key, "k1").value();

  Jwt jwt = Jwt::parse(token).value();
  EXPECT_EQ(jwt.key_id(), "k1");
  EXPECT_EQ(jwt.subject(), "system:serviceaccount:default:nginx");
  EXPECT_EQ(jwt.audiences(), std::vector<std::string>{"istio-ca"});
  EXPECT_TRUE(jwt.verify(published, kNow));
  EXPECT_FALSE(jwt.verify(PrivateKey::generate(GetParam())->public_key(), kNow));
  auto other = GetParam() == KeyType::EcP256 ? KeyType::Rsa2048 : KeyType::EcP256;
  EXPECT_FALSE(jwt.verify(PrivateKey::generate(other)->public_key(), kNow));
}

TEST_P(JwtOf, TimesAreHeld) {
  PrivateKey key = PrivateKey::generate(GetParam()).value();
  Jwt jwt = Jwt::parse(sign_jwt(claims(), key, "").value()).value();
  EXPECT_FALSE(jwt.verify(key.public_key(), kNow + 1h));
  EXPECT_TRUE(jwt.verify(key.public_key(), kNow + 1h, 10s));
  EXPECT_FALSE(jwt.verify(key.public_key(), kNow - 1s));
  Json endless = claims();
  endless.erase("exp");
  EXPECT_FALSE(Jwt::parse(sign_jwt(endless, key, "").value())->verify(key.public_key(), kNow));
}

TEST(Jwt, NoneAndTamperingAndConfusionAreDenied) {
  PrivateKey key = PrivateKey::generate(KeyType::EcP256).value();
  std::string token = sign_jwt(claims(), key, "").value();
  auto parts = base::split(token, '.');
  std::string none = base::to_base64url(R"({"alg":"none"})") + "." + std::string(parts[1]) + ".";
  EXPECT_FALSE(Jwt::parse(none));
  EXPECT_FALSE(Jwt::parse(none + std::string(parts[2]))->verify(key.public_key(), kNow));
  std::string hmac =
      base::to_base64url(R"({"alg":"HS256"})") + "." + std::string(parts[1]) + "." + std::string(parts[2]);
  EXPECT_FALSE(Jwt::parse(hmac)->verify(key.public_key(), kNow));
  Json more = claims();
  more["sub"] = "system:serviceaccount:istio-system:istiod";
  std::string forged = std::string(parts[0]) + "." + base::to_base64url(more.dump()) + "." + std::string(parts[2]);
  EXPECT_FALSE(Jwt::parse(forged)->verify(key.public_key(), kNow));
}

TEST(Jwt, HostileShapesDoNotParse) {
  for (const std::string& wrong :
       {std::string(), std::string("a.b"), std::string("a.b.c.d"), std::string("!!.!!.!!"), std::string(20'000, 'a'),
        base::to_base64url("[]") + "." + base::to_base64url("{}") + ".AAAA",
        base::to_base64url(R"({"alg":"ES256","alg":"none"})") + "." + base::to_base64url("{}") + ".AAAA",
        base::to_base64url(R"({"alg":"ES256","crit":["b64"]})") + "." + base::to_base64url("{}") + ".AAAA"})
    EXPECT_FALSE(Jwt::parse(wrong)) << wrong.substr(0, 40);
  EXPECT_FALSE(key_of_jwk({{"kty", "oct"}, {"k", "AAAA"}}));
  EXPECT_FALSE(key_of_jwk({{"kty", "EC"}, {"crv", "P-256"}, {"x", "AAAA"}, {"y", "AAAA"}}));
}

}  // namespace
}  // namespace identity
