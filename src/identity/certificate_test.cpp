// SPDX-License-Identifier: Apache-2.0
#include "identity/certificate.h"

#include <gtest/gtest.h>

#include "identity/csr.h"
#include "identity/spiffe.h"

namespace identity {
namespace {

using namespace std::chrono_literals;
using base::ErrorKind;

const WallTime kNow = WallClock::from_time_t(1'800'000'000);

Authority root() { return Authority::self_signed("cluster.local", KeyType::EcP256, kNow).value(); }

TEST(Certificate, ALeafHasExactlyTheNamesItWasGivenAndLeadsToItsRoot) {
  Authority authority = root();
  PrivateKey key = PrivateKey::generate(KeyType::EcP256).value();
  std::string csr = make_csr(key, "spiffe://evil/ns/x/sa/y").value();
  std::string uri = SpiffeId{"cluster.local", "default", "nginx"}.uri();

  std::string pem = authority.sign(key_of_csr(csr).value(), {.uri_names = {uri}}, kNow).value();

  Certificate leaf = Certificate::from_pem(pem).value();
  EXPECT_EQ(leaf.uri_names, std::vector{uri});
  EXPECT_TRUE(leaf.dns_names.empty());
  EXPECT_TRUE(leaf.subject.empty());
  EXPECT_EQ(leaf.issuer, "O=cluster.local");
  EXPECT_EQ(leaf.not_after, kNow + 24h);
  EXPECT_EQ(leaf.serial.size(), 32u);
  EXPECT_FALSE(leaf.is_authority);
  EXPECT_TRUE(verify_chain(pem, "", authority.root_pem(), kNow));
  EXPECT_EQ(PublicKey::from_pem(pem).value().pem(), key.public_key().pem());
}

TEST(Certificate, AnotherRootOrAnotherTimeIsNotTrusted) {
  Authority authority = root();
  PrivateKey key = PrivateKey::generate(KeyType::EcP256).value();
  std::string pem = authority.sign(key.public_key(), {.dns_names = {"istiod.istio-system.svc"}}, kNow).value();

  EXPECT_EQ(verify_chain(pem, "", root().root_pem(), kNow).error().kind, ErrorKind::Denied);
  EXPECT_EQ(verify_chain(pem, "", authority.root_pem(), kNow + 25h).error().kind, ErrorKind::Denied);
  EXPECT_EQ(verify_chain(pem, "", authority.root_pem(), kNow - 1h).error().kind, ErrorKind::Denied);
  EXPECT_FALSE(verify_chain(pem, "", "", kNow));
}

TEST(Certificate, NobodyOutlivesTheLimitOrTheSigner) {
  Authority authority = root();
  PrivateKey key = PrivateKey::generate(KeyType::Rsa2048).value();
  auto until = [&](std::chrono::seconds lifetime, WallTime now) {
    auto pem = authority.sign(key.public_key(), {.dns_names = {"a"}, .lifetime = lifetime}, now).value();
    return Certificate::from_pem(pem).value().not_after;
  };
  EXPECT_EQ(until(1h, kNow), kNow + 1h);
  EXPECT_EQ(until(24h * 365, kNow), kNow + 24h);
  EXPECT_EQ(until(-5s, kNow), kNow + 24h);
  EXPECT_EQ(until(24h, authority.not_after() - 1h), authority.not_after());
  EXPECT_FALSE(authority.sign(key.public_key(), {.dns_names = {"a"}}, authority.not_after()));
}

TEST(Certificate, ASignerOfTheUsersOwnIsTakenOnlyIfKeyAndChainFit) {
  Authority authority = root();
  Authority again = Authority::from_pem(authority.certificate_pem(), authority.key_pem(), "", "", kNow).value();
  EXPECT_EQ(again.root_pem(), authority.root_pem());
  EXPECT_EQ(again.chain_pem(), "");

  std::string other_key = PrivateKey::generate(KeyType::EcP256).value().pem();
  EXPECT_FALSE(Authority::from_pem(authority.certificate_pem(), other_key, "", "", kNow));
  EXPECT_FALSE(Authority::from_pem(authority.certificate_pem(), authority.key_pem(), "", root().root_pem(), kNow));
  PrivateKey leaf_key = PrivateKey::generate(KeyType::EcP256).value();
  std::string leaf = authority.sign(leaf_key.public_key(), {.dns_names = {"a"}}, kNow).value();
  EXPECT_FALSE(Authority::from_pem(leaf, leaf_key.pem(), "", authority.root_pem(), kNow));
}

TEST(Certificate, HostileTextsAreErrors) {
  Authority authority = root();
  PrivateKey key = PrivateKey::generate(KeyType::EcP256).value();
  EXPECT_FALSE(Certificate::from_pem(""));
  EXPECT_FALSE(Certificate::chain_from_pem(authority.root_pem() +
                                           "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
  EXPECT_FALSE(Certificate::from_der("\x30\x03\x02\x01"));
  EXPECT_FALSE(Certificate::from_der(Certificate::from_pem(authority.root_pem())->der + "x"));
  EXPECT_FALSE(authority.sign(key.public_key(), {}, kNow));
  EXPECT_FALSE(authority.sign(key.public_key(), {.uri_names = {"spiffe://a\nb"}}, kNow));
  EXPECT_EQ(Certificate::chain_from_pem(authority.root_pem() + authority.root_pem())->size(), 2u);
}

TEST(Csr, ARequestThatItsKeyDidNotSignIsDenied) {
  PrivateKey key = PrivateKey::generate(KeyType::EcP256).value();
  std::string csr = make_csr(key, "spiffe://cluster.local/ns/default/sa/nginx").value();
  EXPECT_EQ(key_of_csr(csr).value().pem(), key.public_key().pem());

  // One changed bit in the name, which the signature covers.
  auto lines = csr;
  size_t at = lines.size() / 2;
  lines[at] = lines[at] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(key_of_csr(lines));
  EXPECT_EQ(key_of_csr(csr + std::string(kMaxCsr, ' ')).error().kind, ErrorKind::Exhausted);
  EXPECT_FALSE(key_of_csr("-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n"));
}

TEST(Keys, WeakAndEncryptedKeysAreRefused) {
  PrivateKey key = PrivateKey::generate(KeyType::Rsa2048).value();
  EXPECT_EQ(PrivateKey::from_pem(key.pem()).value().public_key().pem(), key.public_key().pem());
  EXPECT_FALSE(
      PrivateKey::from_pem("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/"
                           "HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n"));  // Ed25519
  EXPECT_FALSE(
      PrivateKey::from_pem("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"));
}

TEST(SpiffeId, OnlyIstiosFormIsAWorkload) {
  SpiffeId id = SpiffeId::parse("spiffe://cluster.local/ns/default/sa/nginx").value();
  EXPECT_EQ(id, (SpiffeId{"cluster.local", "default", "nginx"}));
  EXPECT_EQ(id.uri(), "spiffe://cluster.local/ns/default/sa/nginx");
  for (const char* wrong :
       {"", "spiffe://", "http://cluster.local/ns/a/sa/b", "spiffe://cluster.local/ns/a/sa/", "spiffe:///ns/a/sa/b",
        "spiffe://Cluster.local/ns/a/sa/b", "spiffe://c/ns/a/sa/b/c", "spiffe://c/ns/a/sa/b?x", "spiffe://c/ns/../sa/b",
        "spiffe://c:1/ns/a/sa/b", "spiffe://c/sa/a/ns/b", "spiffe://c/ns/a%2Fb/sa/c"})
    EXPECT_FALSE(SpiffeId::parse(wrong)) << wrong;
}

}  // namespace
}  // namespace identity
