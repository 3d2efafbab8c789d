// SPDX-License-Identifier: Apache-2.0
#include "control/certificate_service.h"

#include <gtest/gtest.h>

#include "identity/csr.h"
#include "istio/security/v1alpha1/ca.pb.h"

namespace control {
namespace {

using istio::v1::auth::IstioCertificateRequest;
using istio::v1::auth::IstioCertificateResponse;

const identity::WallTime kNow = identity::WallClock::from_time_t(1'800'000'000);

struct Service {
  identity::Authority authority =
      identity::Authority::self_signed("cluster.local", identity::KeyType::EcP256, kNow).value();
  Metrics metrics;
  CertificateService certificates{authority, "cluster.local", metrics};
  identity::PrivateKey key = identity::PrivateKey::generate(identity::KeyType::EcP256).value();
  Identity nginx{.ns = "default", .service_account = "nginx", .pod = "nginx"};

  base::Result<std::string> sign(IstioCertificateRequest request) {
    request.set_csr(identity::make_csr(key, "spiffe://cluster.local/ns/istio-system/sa/istiod").value());
    return certificates.sign(request.SerializeAsString(), nginx, kNow);
  }
};

TEST(CertificateService, SignsForTheProvenIdentityWhateverTheRequestSays) {
  Service service;
  IstioCertificateRequest request;
  request.set_validity_duration(3600);
  IstioCertificateResponse response;
  ASSERT_TRUE(response.ParseFromString(service.sign(request).value()));
  ASSERT_EQ(response.cert_chain_size(), 2);
  auto leaf = identity::Certificate::from_pem(response.cert_chain(0)).value();
  EXPECT_EQ(leaf.uri_names, std::vector<std::string>{"spiffe://cluster.local/ns/default/sa/nginx"});
  EXPECT_EQ(leaf.not_after, kNow + std::chrono::hours(1));
  EXPECT_EQ(response.cert_chain(1), service.authority.root_pem());
  EXPECT_TRUE(identity::verify_chain(response.cert_chain(0), "", response.cert_chain(1), kNow));
}

TEST(CertificateService, SignsForNobodyElse) {
  Service service;
  IstioCertificateRequest request;
  (*request.mutable_metadata()->mutable_fields())["ImpersonatedIdentity"].set_string_value(
      "spiffe://cluster.local/ns/a/sa/b");
  EXPECT_EQ(service.sign(request).error().kind, base::ErrorKind::Denied);
  EXPECT_FALSE(service.certificates.sign("\xff\xff", service.nginx, kNow));
  EXPECT_FALSE(service.certificates.sign("", service.nginx, kNow));
}

}  // namespace
}  // namespace control
