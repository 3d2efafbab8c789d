// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "base/strings.h"
#include "envoy/config/listener/v3/listener_components.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"
#include "identity/certificate.h"
#include "scenario.h"

namespace scenario {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kGateway = "istio-system/istio-ingressgateway-1";
constexpr const char* kRevoked = R"(-----BEGIN X509 CRL-----
MIGpMFACAQEwCgYIKoZIzj0EAwIwDzENMAsGA1UEAwwEc2hvcBcNMjYxMTIyMDEx
MTMwWhgPMjEyNjEwMjkwMTExMzBaoA4wDDAKBgNVHRQEAwIBAjAKBggqhkjOPQQD
AgNJADBGAiEAmfWTSKBrV/xiPsYRCGCmrX5LPDS0QW8aAko2wBiRKp4CIQDMVQ1u
0H74zvfwW+tWAvxQ3mLfMahp1Vo/bG3uqZtuTg==
-----END X509 CRL-----)";  // an empty list that CN=shop signed

constexpr const char* kOneServer = R"yaml(
apiVersion: networking.istio.io/v1alpha3
kind: Gateway
metadata: {name: front, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.example.com"]}]
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: dev, namespace: default, creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  hosts: [dev.example.com]
  gateways: [front]
  http:
  - match: [{uri: {exact: /hello}}]
    route:
    - {destination: {host: helloworld-v1, port: {number: 5000}}, weight: 70}
    - {destination: {host: helloworld-v2, port: {number: 5000}}, weight: 30}
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: other, namespace: default, creationTimestamp: "2026-01-02T00:00:00Z"}
spec: {hosts: [newexample.com, example.com], gateways: [front], http: [{route: [{destination: {host: helloworld}}]}]}
)yaml";

TEST(Gateway, ListensOnTheTargetPortOfItsService) {
  Mesh mesh = Mesh::helloworld(kOneServer);
  EXPECT_THAT(mesh.listeners(kGateway), ElementsAre("0.0.0.0_8080"));
  EXPECT_THAT(translate::route_names(mesh.view(kGateway)), ElementsAre("http.8080"));
  EXPECT_FALSE(mesh.listener(kGateway, "0.0.0.0_8080").has_bind_to_port());
}

TEST(Gateway, OnlyHostsThatFitTheServerAreBound) {
  Mesh mesh = Mesh::helloworld(kOneServer);
  auto table = mesh.routes(kGateway, "http.8080");
  ASSERT_EQ(table.virtual_hosts_size(), 1);
  EXPECT_EQ(table.virtual_hosts(0).name(), "dev.example.com:80");
  EXPECT_EQ(shares(table.virtual_hosts(0).routes(0)),
            "outbound|5000||helloworld-v1.default.svc.cluster.local=70 "
            "outbound|5000||helloworld-v2.default.svc.cluster.local=30");
  int outside = 0;
  for (const auto& finding : mesh.findings()) outside += finding.code == "SN0211" && finding.object.name == "other";
  EXPECT_EQ(outside, 2);
}

TEST(Gateway, ARuleOfAGatewayIsNoneOfTheSidecars) {
  Mesh mesh = Mesh::helloworld(kOneServer);
  EXPECT_EQ(mesh.host("default/nginx", "80", "dev.example.com").name(), "");
}

TEST(Gateway, SeveralRulesOfOneHostAreJoinedWithCatchAllsLast) {
  Mesh mesh = Mesh::helloworld(std::string(kOneServer) + R"yaml(
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: all, namespace: default, creationTimestamp: "2025-01-01T00:00:00Z"}
spec: {hosts: ["*"], gateways: [front], http: [{name: all, route: [{destination: {host: helloworld}}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: dev-rest, namespace: default, creationTimestamp: "2025-01-01T00:00:00Z"}
spec: {hosts: [dev.example.com], gateways: [front], http: [{name: rest, route: [{destination: {host: helloworld}}]}]}
)yaml");
  auto dev = mesh.host(kGateway, "http.8080", "dev.example.com");
  EXPECT_THAT(names(dev), ElementsAre("", "rest"));
  EXPECT_EQ(mesh.host(kGateway, "http.8080", "*.example.com").routes(0).name(), "all");
}

TEST(Gateway, WithoutRoutesEveryRequestIs404) {
  Mesh mesh = Mesh::helloworld(R"yaml(
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: bare, namespace: default}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}
)yaml");
  auto table = mesh.routes(kGateway, "http.8080");
  ASSERT_EQ(table.virtual_hosts_size(), 1);
  EXPECT_EQ(table.virtual_hosts(0).name(), "blackhole:80");
  EXPECT_THAT(table.virtual_hosts(0).routes(), IsEmpty());
}

constexpr const char* kEdge = R"yaml(
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: [shop.example.com], tls: {httpsRedirect: true}}
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: [default/shop.example.com], tls: {mode: SIMPLE, credentialName: shop}}
  - {port: {number: 443, name: mutual, protocol: HTTPS}, hosts: [m.example.com], tls: {mode: MUTUAL, credentialName: m, verifyCertificateHash: ["aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11"], verifyCertificateSpki: ["MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]}}
  - {port: {number: 443, name: pass, protocol: TLS}, hosts: [p.example.com], tls: {mode: PASSTHROUGH}}
  - {port: {number: 9443, name: tcp, protocol: TCP}, hosts: ["*"]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: default}
spec:
  hosts: [shop.example.com, m.example.com]
  gateways: [istio-system/edge, mesh]
  http:
  - {match: [{gateways: [istio-system/edge]}], route: [{destination: {host: helloworld}}]}
  - {route: [{destination: {host: helloworld-v2}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: pass, namespace: istio-system}
spec:
  hosts: [p.example.com]
  gateways: [edge]
  tls: [{match: [{sniHosts: [p.example.com], port: 443}], route: [{destination: {host: plain.data.svc.cluster.local}}]}]
  tcp: [{match: [{port: 9443}], route: [{destination: {host: db.data.svc.cluster.local}}]}]
)yaml";

// A Secret with a pair that belongs together.
std::string secret(const std::string& name) {
  auto pair = identity::Authority::self_signed("shop", identity::KeyType::EcP256, identity::WallClock::now()).value();
  const std::string certificate = base::to_base64(pair.certificate_pem());
  return "\n---\n{apiVersion: v1, kind: Secret, metadata: {name: " + name +
         ", namespace: istio-system}, type: kubernetes.io/tls, data: {tls.crt: " + certificate +
         ", tls.key: " + base::to_base64(pair.key_pem()) + ", ca.crt: " + certificate +
         ", ca.crl: " + base::to_base64(kRevoked) + "}}";
}

TEST(Gateway, TlsServersAreToldApartByName) {
  Mesh mesh = Mesh::helloworld(kEdge);
  auto listener = mesh.listener(kGateway, "0.0.0.0_8443");
  std::vector<std::string> chains;
  for (const auto& chain : listener.filter_chains())
    chains.push_back(chain.filter_chain_match().server_names(0) + (chain.has_transport_socket() ? " ends TLS" : ""));
  EXPECT_THAT(chains, ElementsAre("shop.example.com ends TLS", "m.example.com ends TLS", "p.example.com"));
  EXPECT_THAT(listener.filter_chains(0).transport_socket().typed_config().value(), HasSubstr("kubernetes://shop"));
  EXPECT_THAT(listener.filter_chains(1).transport_socket().typed_config().value(), HasSubstr("kubernetes://m-cacert"));
  for (const char* pin : {"aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11",
                          "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="})
    EXPECT_THAT(listener.filter_chains(1).transport_socket().typed_config().value(), HasSubstr(pin));
  EXPECT_THAT(mesh.listener(kGateway, "0.0.0.0_9443").filter_chains(0).filters(0).typed_config().value(),
              HasSubstr("outbound|5432||db.data.svc.cluster.local"));
}

TEST(Gateway, CertificateFilesAreSecretsOfTheAgentSoThatTheyCostNobodyElse) {
  Mesh mesh = Mesh::helloworld(R"yaml(
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: files, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [f.example.com]
    tls: {mode: MUTUAL, serverCertificate: /etc/passwd, privateKey: /etc/key, caCertificates: /etc/ca, caCrl: /etc/crl}
)yaml");
  const std::string text = mesh.listener(kGateway, "0.0.0.0_8443").ShortDebugString();
  EXPECT_THAT(text, HasSubstr("name: \"file-cert:/etc/passwd~/etc/key\""));
  EXPECT_THAT(text, HasSubstr("name: \"file-root:/etc/ca~/etc/crl\""));
  EXPECT_THAT(text, testing::Not(HasSubstr("filename:")));
}

TEST(Gateway, RedirectsAndEndsTlsForTheSameHost) {
  Mesh mesh = Mesh::helloworld(kEdge);
  EXPECT_EQ(mesh.host(kGateway, "http.8080", "shop.example.com").require_tls(), route_v3::VirtualHost::ALL);
  auto host = mesh.host(kGateway, "https.443.https.edge.istio-system", "shop.example.com");
  ASSERT_EQ(host.routes_size(), 1);
  EXPECT_EQ(shares(host.routes(0)), "outbound|5000||helloworld.default.svc.cluster.local");
}

TEST(Gateway, CredentialsComeFromItsOwnNamespace) {
  Mesh mesh = Mesh::helloworld(kEdge + secret("shop"));
  auto secrets = translate::secrets(mesh.view(kGateway),
                                    std::vector<std::string>{"kubernetes://shop", "kubernetes://shop-cacert",
                                                             "kubernetes://default/shop", "kubernetes://nothing"});
  ASSERT_EQ(secrets.size(), 2u);
  EXPECT_EQ(secrets[0].name, "kubernetes://shop");
  EXPECT_THAT(secrets[1].message->SerializeAsString(), HasSubstr(kRevoked));
  EXPECT_THAT(translate::secrets(mesh.view("default/nginx"), std::vector<std::string>{"kubernetes://shop"}), IsEmpty());
}

TEST(Gateway, ASecretThatIsOfNoUseIsNotSentAndTold) {
  Mesh mesh = Mesh::helloworld(kEdge + secret("shop"));
  auto told = [&] {
    std::string out;
    for (const config::Finding& finding : mesh.findings())
      if (finding.code == "SN0214") out += finding.path + ": " + finding.message + "\n";
    return out;
  };
  EXPECT_EQ(told(), "spec.servers[2].tls.credentialName: Referenced credentialName not found: \"m\"\n");
  mesh.apply(
      "{apiVersion: v1, kind: Secret, metadata: {name: shop, namespace: istio-system}, type: kubernetes.io/tls, data: "
      "{tls.crt: Y2VydA==, tls.key: a2V5}}");
  EXPECT_THAT(told(), HasSubstr("Secret istio-system/shop is of no use: the certificate cannot be read"));
  EXPECT_THAT(translate::secrets(mesh.view(kGateway), std::vector<std::string>{"kubernetes://shop"}), IsEmpty());
  std::string torn = secret("shop");
  torn.replace(torn.find("ca.crl: "), std::string::npos, "ca.crl: cmV2b2tlZA==}}");
  mesh.apply(torn);
  EXPECT_THAT(told(), HasSubstr("of no use: ca.crl: the revocation lists cannot be read"));
  EXPECT_THAT(translate::secrets(mesh.view(kGateway), std::vector<std::string>{"kubernetes://shop-cacert"}), IsEmpty());
}

TEST(Gateway, AServerOnAPortOfTheProxyItselfIsLeftOutAloneAndTold) {
  Mesh mesh = Mesh::helloworld(R"yaml(
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: own, namespace: default}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 15021, name: a, protocol: HTTP}, hosts: ['*']}, {port: {number: 80, name: b, protocol: HTTP}, hosts: ['*']}]}
)yaml");
  EXPECT_THAT(mesh.listeners(kGateway), testing::ElementsAre("0.0.0.0_8080"));
  std::vector<std::string> told;
  for (const config::Finding& finding : mesh.findings())
    if (finding.code == "SN0215") told.push_back(finding.path);
  EXPECT_THAT(told, testing::ElementsAre("spec.servers[0].port.number"));
}

}  // namespace
}  // namespace scenario
