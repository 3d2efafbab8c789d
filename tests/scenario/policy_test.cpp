// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "envoy/config/listener/v3/listener_components.pb.h"
#include "envoy/config/rbac/v3/rbac.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "scenario.h"
#include "translate/rbac.h"

namespace scenario {
namespace {

using cluster_v3::Cluster;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kClient = "default/nginx";
constexpr const char* kServer = "default/helloworld-v1-1";
constexpr const char* kHello = "outbound|5000||helloworld.default.svc.cluster.local";

constexpr const char* kRule = R"yaml(
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: hello, namespace: default}
spec:
  host: helloworld
  trafficPolicy:
    loadBalancer: {consistentHash: {httpCookie: {name: user, ttl: 60s}}}
    connectionPool: {tcp: {maxConnections: 7, connectTimeout: 3s}, http: {http2MaxRequests: 9, maxRequestsPerConnection: 11, h2UpgradePolicy: UPGRADE}}
    outlierDetection: {consecutive5xxErrors: 3, interval: 5s, baseEjectionTime: 15s, maxEjectionPercent: 40, minHealthPercent: 20}
  subsets:
  - {name: one, labels: {version: v1}, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, tls: {mode: DISABLE}}}
  - name: two
    labels: {version: v2}
    trafficPolicy: {portLevelSettings: [{port: {number: 5000}, loadBalancer: {simple: RANDOM}, tls: {mode: SIMPLE, sni: x.org}}]}
)yaml";

TEST(DestinationRule, SetsHowOneServiceIsCalled) {
  Mesh mesh = Mesh::helloworld(kRule);
  auto cluster = mesh.cluster(kClient, kHello);
  EXPECT_EQ(cluster.lb_policy(), Cluster::RING_HASH);
  EXPECT_EQ(cluster.ring_hash_lb_config().minimum_ring_size().value(), 1024u);
  EXPECT_EQ(cluster.connect_timeout().seconds(), 3);
  EXPECT_EQ(cluster.circuit_breakers().thresholds(0).max_connections().value(), 7u);
  EXPECT_EQ(cluster.circuit_breakers().thresholds(0).max_requests().value(), 9u);
  EXPECT_EQ(cluster.circuit_breakers().thresholds(0).max_retries().value(), 4294967295u);
  EXPECT_EQ(cluster.outlier_detection().consecutive_5xx().value(), 3u);
  EXPECT_EQ(cluster.common_lb_config().healthy_panic_threshold().value(), 20);
  EXPECT_EQ(mesh.host(kClient, "5000", "helloworld").routes(0).route().hash_policy(0).cookie().name(), "user");
}

TEST(DestinationRule, ASubsetReplacesBlocksAndAPortLevelReplacesAll) {
  Mesh mesh = Mesh::helloworld(kRule);
  auto one = mesh.cluster(kClient, "outbound|5000|one|helloworld.default.svc.cluster.local");
  EXPECT_EQ(one.lb_policy(), Cluster::ROUND_ROBIN);
  EXPECT_EQ(one.circuit_breakers().thresholds(0).max_connections().value(), 7u);
  EXPECT_EQ(one.transport_socket_matches_size(), 0);
  EXPECT_FALSE(one.has_transport_socket());
  auto two = mesh.cluster(kClient, "outbound|5000|two|helloworld.default.svc.cluster.local");
  EXPECT_EQ(two.lb_policy(), Cluster::RANDOM);
  EXPECT_EQ(two.circuit_breakers().thresholds(0).max_connections().value(), 4294967295u);
  EXPECT_FALSE(two.has_outlier_detection());
  EXPECT_THAT(two.transport_socket().typed_config().value(), HasSubstr("x.org"));
  EXPECT_THAT(mesh.endpoints(kClient, one.name()), ElementsAre("10.10.0.6:5000"));
}

TEST(DestinationRule, OneOfAnUnrelatedNamespaceIsIgnored) {
  Mesh mesh = Mesh::helloworld(R"yaml(
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: stray, namespace: data}
spec: {host: helloworld.default.svc.cluster.local, subsets: [{name: stray, labels: {version: v1}}]}
)yaml");
  EXPECT_THAT(mesh.clusters(kClient), Not(Contains("outbound|5000|stray|helloworld.default.svc.cluster.local")));
  EXPECT_THAT(mesh.clusters("data/db-0"), Contains("outbound|5000|stray|helloworld.default.svc.cluster.local"));
}

TEST(ServiceEntry, StaticEndpointsKeepTheirWeightsPortsAndLocalities) {
  Mesh mesh = Mesh::helloworld(R"yaml(
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: static, namespace: default}
spec:
  hosts: [static.internal]
  addresses: [240.1.2.3]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 9000, name: tcp, protocol: TCP}]
  endpoints: [{address: 10.10.0.50, weight: 3, locality: local/a}, {address: 10.10.0.51, locality: far/b, ports: {tcp: 9100}}]
)yaml");
  EXPECT_THAT(mesh.listeners(kClient), Contains("240.1.2.3_9000"));
  EXPECT_THAT(mesh.endpoints(kClient, "outbound|9000||static.internal"),
              ElementsAre("10.10.0.51:9100", "10.10.0.50:9000"));
}

TEST(Sidecar, LeavesWhatItNamesAndRefusesTheRest) {
  Mesh mesh = Mesh::helloworld(R"yaml(
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: default}
spec:
  egress: [{hosts: ["./helloworld.default.svc.cluster.local", "istio-system/*"]}]
  outboundTrafficPolicy: {mode: REGISTRY_ONLY}
)yaml");
  auto clusters = mesh.clusters(kClient);
  EXPECT_THAT(clusters, Contains(kHello));
  EXPECT_THAT(clusters, Not(Contains("outbound|5000||helloworld-v1.default.svc.cluster.local")));
  EXPECT_THAT(clusters, Not(Contains("outbound|5432||db.data.svc.cluster.local")));
  EXPECT_EQ(mesh.host(kClient, "5000", "*").routes(0).direct_response().status(), 502u);
  EXPECT_THAT(mesh.listener(kClient, "virtualOutbound").filter_chains(1).filters(0).typed_config().value(),
              HasSubstr("BlackHoleCluster"));
  EXPECT_THAT(mesh.clusters("data/db-0"), Contains("outbound|5000||helloworld-v1.default.svc.cluster.local"));
}

std::vector<std::string> rows(const listener_v3::Listener& listener, uint32_t port) {
  std::vector<std::string> out;
  for (const auto& chain : listener.filter_chains())
    if (chain.filter_chain_match().destination_port().value() == port)
      out.push_back(chain.filter_chain_match().transport_protocol() + (chain.has_transport_socket() ? "+mtls" : ""));
  return out;
}

TEST(PeerAuthentication, StrictTakesNoPlainTextAndAPortMayBeExempt) {
  Mesh mesh = Mesh::helloworld(R"yaml(
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: default}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: two, namespace: default}
spec: {selector: {matchLabels: {version: v2}}, portLevelMtls: {5000: {mode: DISABLE}}}
)yaml");
  EXPECT_THAT(rows(mesh.listener(kServer, "virtualInbound"), 5000), ElementsAre("tls+mtls"));
  EXPECT_THAT(rows(mesh.listener("default/helloworld-v2-1", "virtualInbound"), 5000), ElementsAre("raw_buffer"));
  EXPECT_THAT(mesh.endpoints(kClient, kHello), ElementsAre("10.10.0.6:5000+mtls", "10.10.0.7:5000"));
}

constexpr const char* kPolicies = R"yaml(
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: deny, namespace: default}
spec:
  selector: {matchLabels: {app: helloworld}}
  action: DENY
  rules: [{from: [{source: {notNamespaces: [default]}}], to: [{operation: {paths: ["/admin*"], methods: [POST]}}]}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: allow, namespace: default}
spec: {selector: {matchLabels: {app: helloworld}}, rules: [{to: [{operation: {methods: [GET]}}]}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nothing, namespace: data}
spec: {}
)yaml";

TEST(AuthorizationPolicy, WhatOnlyHttpHasNarrowsHttpAndOnTcpFailsClosed) {
  using Policy = config::security::AuthorizationPolicy;
  auto view = Mesh::helloworld(kPolicies).view(kServer);
  auto deny = translate::rules_of(view, Policy::DENY, translate::Layer::Http).enforced;
  ASSERT_EQ(deny.policies().count("ns[default]-policy[deny]-rule[0]"), 1u);
  EXPECT_EQ(deny.policies().at("ns[default]-policy[deny]-rule[0]").permissions(0).and_rules().rules_size(), 2);
  auto on_tcp = translate::rules_of(view, Policy::DENY, translate::Layer::Tcp).enforced;
  EXPECT_TRUE(on_tcp.policies().at("ns[default]-policy[deny]-rule[0]").permissions(0).and_rules().rules(0).any());
  auto allow = translate::rules_of(view, Policy::ALLOW, translate::Layer::Tcp);
  EXPECT_TRUE(allow.any_enforced);
  EXPECT_TRUE(allow.enforced.policies().empty());
}

TEST(AuthorizationPolicy, OneThatCannotBeUnderstoodDeniesEverythingToWhomItSelects) {
  using Policy = config::security::AuthorizationPolicy;
  for (const char* spec : {R"({action: CUSTOM, provider: {name: x}, rules: [{}]})",
                           R"({rules: [{to: [{operation: {paths: ["/{bad"]}}]}]})",
                           R"({rules: [{from: [{source: {ipBlocks: [junk]}}]}]})"}) {
    std::string policy = R"yaml(
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: odd, namespace: default}
spec: )yaml";
    policy += spec;
    auto view = Mesh::helloworld(policy).view(kServer);
    auto deny = translate::rules_of(view, Policy::DENY, translate::Layer::Http).enforced;
    ASSERT_EQ(deny.policies().size(), 1u) << spec;
    EXPECT_TRUE(deny.policies().begin()->second.permissions(0).and_rules().rules(0).any()) << deny.DebugString();
    EXPECT_TRUE(translate::rules_of(view, Policy::ALLOW, translate::Layer::Http).enforced.policies().empty());
  }
}

TEST(AuthorizationPolicy, OneForAnotherRevisionIsNotOurs) {
  using Policy = config::security::AuthorizationPolicy;
  auto view = Mesh::helloworld(R"yaml(
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: theirs, namespace: default, labels: {istio.io/rev: canary}}
spec: {}
)yaml")
                  .view(kServer);
  EXPECT_TRUE(translate::rules_of(view, Policy::ALLOW, translate::Layer::Http).enforced.policies().empty());
}

TEST(AuthorizationPolicy, AnEmptyOneAllowsNothing) {
  using Policy = config::security::AuthorizationPolicy;
  auto view = Mesh::helloworld(kPolicies).view("data/db-0");
  auto allow = translate::rules_of(view, Policy::ALLOW, translate::Layer::Http);
  ASSERT_EQ(allow.enforced.policies().size(), 1u);
  EXPECT_TRUE(allow.enforced.policies().begin()->second.permissions(0).not_rule().any());
}

}  // namespace
}  // namespace scenario
