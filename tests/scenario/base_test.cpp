// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "envoy/config/listener/v3/listener_components.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "scenario.h"

namespace scenario {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsSupersetOf;
using ::testing::Not;

constexpr const char* kClient = "default/nginx";
constexpr const char* kServer = "default/helloworld-v1-1";

TEST(Base, AClientListensWhereItsServicesAreDialled) {
  Mesh mesh = Mesh::helloworld();
  EXPECT_THAT(mesh.listeners(kClient), ElementsAre("0.0.0.0_5000", "0.0.0.0_80", "10.10.0.8_5433", "10.96.0.1_443",
                                                   "10.96.0.20_5432", "10.96.0.21_8888", "10.96.0.30_15021",
                                                   "10.96.0.30_443", "virtualInbound", "virtualOutbound"));
  EXPECT_FALSE(mesh.listener(kClient, "0.0.0.0_5000").bind_to_port().value());
  EXPECT_TRUE(mesh.listener(kClient, "virtualOutbound").use_original_dst().value());
}

TEST(Base, EveryNameOfAServiceIsADomainAndShortOnesOnlyAtHome) {
  Mesh mesh = Mesh::helloworld();
  EXPECT_THAT(mesh.host(kClient, "5000", "helloworld").domains(),
              ElementsAre("helloworld.default.svc.cluster.local", "helloworld.default.svc.cluster.local.", "helloworld",
                          "helloworld.default.svc", "helloworld.default", "10.96.0.10"));
  EXPECT_THAT(mesh.host("data/db-0", "5000", "helloworld.default").domains(), Not(Contains("helloworld")));
}

TEST(Base, AServiceEntryHoweverOldTakesNeitherTheDomainNorTheAddressOfAService) {
  Mesh mesh = Mesh::helloworld(R"yaml(
{apiVersion: v1, kind: Service, metadata: {name: bare, namespace: default}, spec: {clusterIP: None, selector: {app: helloworld}, ports: [{port: 5000, name: http}]}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: name, namespace: data, creationTimestamp: "2006-01-01T00:00:00Z"}
spec: {hosts: [helloworld], ports: [{number: 5000, name: http, protocol: HTTP}], resolution: STATIC, endpoints: [{address: 9.9.9.9}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: address, namespace: data, creationTimestamp: "2006-01-01T00:00:00Z"}
spec: {hosts: [evil.example.com], addresses: [10.96.0.10, 10.96.0.10/32, 10.96.0.0/16, 10.10.0.0/16], ports: [{number: 5000, name: tcp, protocol: TCP}], resolution: STATIC, endpoints: [{address: 9.9.9.9}]}
)yaml");
  EXPECT_EQ(mesh.host(kClient, "5000", "helloworld").name(), "helloworld.default.svc.cluster.local:5000");
  EXPECT_THAT(mesh.listeners(kClient), Not(Contains("10.96.0.10_5000")));
  auto listener = mesh.listener(kClient, "0.0.0.0_5000");
  std::set<std::string> exact;  // a Service's address, and those of pods behind one without
  const std::string pod = mesh.endpoints(kClient, "outbound|5000||helloworld.default.svc.cluster.local").front();
  for (const auto& chain : listener.filter_chains())
    for (const auto& range : chain.filter_chain_match().prefix_ranges()) {
      if (range.address_prefix() != "10.96.0.10" && !pod.starts_with(range.address_prefix() + ":")) continue;
      exact.insert(range.address_prefix());
      EXPECT_EQ(range.prefix_len().value(), 32u);
      EXPECT_THAT(chain.filters(chain.filters_size() - 1).name(), testing::HasSubstr("http_connection_manager"));
    }
  EXPECT_EQ(exact.size(), 2u);
  std::vector<std::string> told;
  for (const config::Finding& finding : mesh.findings())
    if (finding.code == "SN0230" || finding.code == "SN0231")
      told.push_back(finding.object.name + ": " + finding.message);
  EXPECT_THAT(
      told, testing::ElementsAre("address: address 10.96.0.10 is that of Service default/helloworld, which keeps it"));
}

TEST(Base, AServiceWithoutRulesIsRetriedAndNeverCutOff) {
  auto route = Mesh::helloworld().host(kClient, "5000", "helloworld").routes(0);
  EXPECT_EQ(route.route().cluster(), "outbound|5000||helloworld.default.svc.cluster.local");
  EXPECT_TRUE(route.route().has_timeout());
  EXPECT_EQ(route.route().timeout().seconds(), 0);
  EXPECT_EQ(route.route().retry_policy().num_retries().value(), 2u);
  EXPECT_EQ(route.route().retry_policy().retry_on(),
            "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes");
}

TEST(Base, AnUnknownHostGoesWhereItWasGoing) {
  auto host = Mesh::helloworld().host(kClient, "5000", "*");
  EXPECT_EQ(host.name(), "allow_any");
  EXPECT_EQ(host.routes(0).route().cluster(), "PassthroughCluster");
}

TEST(Base, EndpointsCarryTheirMtlsMode) {
  Mesh mesh = Mesh::helloworld();
  EXPECT_THAT(mesh.endpoints(kClient, "outbound|5000||helloworld.default.svc.cluster.local"),
              ElementsAre("10.10.0.6:5000+mtls", "10.10.0.7:5000+mtls"));
  EXPECT_THAT(mesh.endpoints(kClient, "outbound|80||istio-ingressgateway.istio-system.svc.cluster.local"),
              ElementsAre("10.10.0.9:8080"));
}

TEST(Base, AnUnknownClusterIsAnsweredEmptySoThatItWarms) {
  auto view = Mesh::helloworld().view(kClient);
  auto answer = translate::endpoints(view, std::vector<std::string>{"outbound|1||nowhere"});
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].name, "outbound|1||nowhere");
}

TEST(Base, AutoMtlsChoosesByEndpointAndChecksTheServersIdentity) {
  auto cluster = Mesh::helloworld().cluster(kClient, "outbound|5000||helloworld.default.svc.cluster.local");
  ASSERT_EQ(cluster.transport_socket_matches_size(), 2);
  EXPECT_EQ(cluster.transport_socket_matches(0).name(), "tlsMode-istio");
  const std::string& tls = cluster.transport_socket_matches(0).transport_socket().typed_config().value();
  EXPECT_NE(tls.find("spiffe://cluster.local/ns/default/sa/default"), std::string::npos);
  EXPECT_NE(tls.find("outbound_.5000_._.helloworld.default.svc.cluster.local"), std::string::npos);
}

TEST(Base, AServersPortTakesMtlsAndPlainTextBesides) {
  auto listener = Mesh::helloworld().listener(kServer, "virtualInbound");
  std::vector<std::string> rows;
  for (const auto& chain : listener.filter_chains())
    if (chain.filter_chain_match().destination_port().value() == 5000)
      rows.push_back(chain.filter_chain_match().transport_protocol() + (chain.has_transport_socket() ? "+mtls" : ""));
  EXPECT_THAT(rows, ElementsAre("tls+mtls", "raw_buffer"));
  EXPECT_THAT(Mesh::helloworld().clusters(kServer),
              IsSupersetOf({"inbound|5000||", "InboundPassthroughCluster", "PassthroughCluster"}));
}

TEST(Base, APortWithoutANameIsSniffed) {
  auto listener = Mesh::helloworld().listener(kClient, "10.96.0.21_8888");
  ASSERT_EQ(listener.filter_chains_size(), 1);
  EXPECT_THAT(listener.filter_chains(0).filter_chain_match().application_protocols(), ElementsAre("http/1.1", "h2c"));
  EXPECT_TRUE(listener.has_default_filter_chain());
  auto table = Mesh::helloworld().routes(kClient, "plain.data.svc.cluster.local:8888");
  ASSERT_EQ(table.virtual_hosts_size(), 1);
  EXPECT_THAT(table.virtual_hosts(0).domains(), ElementsAre("*"));
}

TEST(Base, APodThatComesUpChangesEndpointsAlone) {
  Mesh mesh = Mesh::helloworld();
  auto before = mesh.snapshot();
  mesh.apply(
      "{apiVersion: v1, kind: Pod, metadata: {name: helloworld-v1-2, namespace: default, labels: {app: "
      "helloworld, version: v1}}, status: {podIP: 10.10.0.16}}");
  EXPECT_EQ(mesh.snapshot()->configuration(), before->configuration());
  EXPECT_THAT(mesh.endpoints(kClient, "outbound|5000||helloworld-v1.default.svc.cluster.local"),
              ElementsAre("10.10.0.16:5000", "10.10.0.6:5000+mtls"));
}

}  // namespace
}  // namespace scenario
