// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "scenario.h"

namespace scenario {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kClient = "default/nginx";

constexpr const char* kTwoServices = R"yaml(
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: helloworld-vs, namespace: default, creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  hosts: [helloworld.default.svc.cluster.local]
  http:
  - route:
    - {destination: {host: helloworld-v1.default.svc.cluster.local}, weight: 20}
    - {destination: {host: helloworld-v2.default.svc.cluster.local}, weight: 80}
)yaml";

constexpr const char* kSubsets = R"yaml(
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: helloworld-dr, namespace: default}
spec:
  host: helloworld
  subsets: [{name: one, labels: {version: v1}}, {name: two, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: by-version, namespace: default, creationTimestamp: "2026-01-02T00:00:00Z"}
spec:
  hosts: [helloworld]
  http:
  - {match: [{uri: {prefix: /nine}}], route: [{destination: {host: helloworld, subset: nine}}]}
  - {match: [{uri: {prefix: /lost}}], route: [{destination: {host: nowhere}}]}
  - route:
    - {destination: {host: helloworld, subset: one}, weight: 70}
    - {destination: {host: helloworld, subset: two}, weight: 30}
)yaml";

TEST(VirtualService, SharesTrafficBetweenServicesWithoutNamingTheirPort) {
  auto host = Mesh::helloworld(kTwoServices).host(kClient, "5000", "helloworld.default");
  ASSERT_EQ(host.routes_size(), 1);
  EXPECT_EQ(shares(host.routes(0)),
            "outbound|5000||helloworld-v1.default.svc.cluster.local=20 "
            "outbound|5000||helloworld-v2.default.svc.cluster.local=80");
  EXPECT_EQ(host.routes(0).metadata().filter_metadata().at("istio").fields().at("config").string_value(),
            "/apis/networking.istio.io/v1/namespaces/default/virtual-service/helloworld-vs");
}

TEST(VirtualService, SubsetsAreClustersAndFilterEndpointsByLabel) {
  Mesh mesh = Mesh::helloworld(kSubsets);
  EXPECT_EQ(shares(mesh.host(kClient, "5000", "helloworld").routes(2)),
            "outbound|5000|one|helloworld.default.svc.cluster.local=70 "
            "outbound|5000|two|helloworld.default.svc.cluster.local=30");
  EXPECT_THAT(mesh.endpoints(kClient, "outbound|5000|two|helloworld.default.svc.cluster.local"),
              ElementsAre("10.10.0.7:5000+mtls"));
}

TEST(VirtualService, WhatDoesNotResolveKeepsItsClustersNameAndAnswers503) {
  Mesh mesh = Mesh::helloworld(kSubsets);
  auto host = mesh.host(kClient, "5000", "helloworld");
  EXPECT_EQ(host.routes(0).route().cluster(), "outbound|5000|nine|helloworld.default.svc.cluster.local");
  EXPECT_EQ(host.routes(1).route().cluster(), "outbound|5000||nowhere.default.svc.cluster.local");
  EXPECT_EQ(mesh.cluster(kClient, host.routes(0).route().cluster()).name(), "");
  EXPECT_EQ(mesh.cluster(kClient, host.routes(1).route().cluster()).name(), "");
}

TEST(VirtualService, TheOldestOfAHostIsInForceAndAFindingNamesBoth) {
  Mesh mesh = Mesh::helloworld(std::string(kTwoServices) + "---" + kSubsets);
  EXPECT_THAT(shares(mesh.host(kClient, "5000", "helloworld").routes(0)), HasSubstr("helloworld-v1"));
  bool said = false;
  for (const auto& finding : mesh.findings())
    said |= finding.code == "SN0201" && finding.object.name == "by-version" &&
            finding.message.find("default/helloworld-vs") != std::string::npos;
  EXPECT_TRUE(said);

  mesh.erase({"networking.istio.io", "VirtualService", "default", "helloworld-vs"});
  EXPECT_EQ(mesh.host(kClient, "5000", "helloworld").routes_size(), 3);
}

TEST(VirtualService, FindingsNameUnknownHostsAndSubsets) {
  std::vector<std::string> said;
  for (const auto& finding : Mesh::helloworld(kSubsets).findings())
    if (finding.object.name == "by-version") said.push_back(finding.path + ": " + finding.message);
  EXPECT_THAT(said, ElementsAre(HasSubstr("spec.http[0].route[0].destination.subset: Referenced host+subset"),
                                HasSubstr("spec.http[1].route[0].destination.host: Referenced host not found")));
}

constexpr const char* kMatches = R"yaml(
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: many, namespace: default}
spec:
  hosts: [helloworld]
  http:
  - name: for-nginx
    match: [{sourceLabels: {run: nginx}, headers: {user: {exact: jason}, any: {}}, withoutHeaders: {not: {exact: "1"}}, uri: {prefix: /Case}, ignoreUriCase: true}]
    route: [{destination: {host: helloworld-v1}, headers: {request: {set: {a: "1"}}}}]
    headers: {request: {set: {":authority": new.host}}}
  - {name: for-others, match: [{sourceLabels: {run: other}}], route: [{destination: {host: helloworld-v1}}]}
  - {name: elsewhere, match: [{port: 81}], route: [{destination: {host: helloworld-v1}}]}
  - {name: moved, match: [{uri: {exact: /old}}], redirect: {uri: /new, redirectCode: 308}}
  - {name: teapot, match: [{uri: {exact: /tea}}], directResponse: {status: 418, body: {string: short}}}
  - {name: api, match: [{uri: {prefix: /api/}}], rewrite: {uri: /, authority: inner}, route: [{destination: {host: helloworld-v1}}]}
  - name: hard
    match: [{uri: {regex: "/r[0-9]+"}}]
    timeout: 3s
    retries: {attempts: 3, perTryTimeout: 500ms, retryOn: "5xx,409"}
    fault: {delay: {percentage: {value: 10.5}, fixedDelay: 2s}}
    mirrors: [{destination: {host: helloworld-v2}, percentage: {value: 25}}]
    corsPolicy: {allowOrigins: [{exact: "https://a.org"}], allowMethods: [GET]}
    route: [{destination: {host: helloworld-v1}, weight: 0}, {destination: {host: helloworld-v2}, weight: 100}]
  - {name: once, match: [{uri: {exact: /once}}], retries: {attempts: 0}, route: [{destination: {host: helloworld-v1}}]}
  - {name: rest, route: [{destination: {host: helloworld}}]}
  - {name: never, route: [{destination: {host: helloworld-v2}}]}
)yaml";

TEST(VirtualService, LabelsAndPortsAreMatchedBeforehandAndACatchAllEndsTheList) {
  Mesh mesh = Mesh::helloworld(kMatches);
  EXPECT_THAT(names(mesh.host(kClient, "5000", "helloworld")),
              ElementsAre("for-nginx", "moved", "teapot", "api", "hard", "once", "rest"));
  EXPECT_THAT(names(mesh.host("default/helloworld-v1-1", "5000", "helloworld")),
              ElementsAre("moved", "teapot", "api", "hard", "once", "rest"));
}

TEST(VirtualService, MatchesBecomeEnvoysMatchers) {
  auto route = Mesh::helloworld(kMatches).host(kClient, "5000", "helloworld").routes(0);
  EXPECT_EQ(route.match().prefix(), "/Case");
  EXPECT_FALSE(route.match().case_sensitive().value());
  ASSERT_EQ(route.match().headers_size(), 3);
  EXPECT_TRUE(route.match().headers(0).present_match());
  EXPECT_TRUE(route.match().headers(1).invert_match());
  EXPECT_TRUE(route.match().headers(1).treat_missing_header_as_empty());
  EXPECT_EQ(route.match().headers(2).string_match().exact(), "jason");
  EXPECT_EQ(route.route().host_rewrite_literal(), "new.host");
  ASSERT_EQ(route.request_headers_to_add_size(), 1);
  EXPECT_EQ(route.request_headers_to_add(0).header().key(), "a");
}

TEST(VirtualService, ActionsBecomeEnvoysActions) {
  auto host = Mesh::helloworld(kMatches).host(kClient, "5000", "helloworld");
  EXPECT_EQ(host.routes(1).redirect().path_redirect(), "/new");
  EXPECT_EQ(host.routes(1).redirect().response_code(), route_v3::RedirectAction::PERMANENT_REDIRECT);
  EXPECT_EQ(host.routes(2).direct_response().status(), 418u);
  EXPECT_EQ(host.routes(3).route().prefix_rewrite(), "/");
  EXPECT_EQ(host.routes(3).route().host_rewrite_literal(), "inner");
  const auto& hard = host.routes(4).route();
  EXPECT_EQ(shares(host.routes(4)), "outbound|5000||helloworld-v2.default.svc.cluster.local=100");
  EXPECT_EQ(hard.timeout().seconds(), 3);
  EXPECT_EQ(hard.retry_policy().num_retries().value(), 3u);
  EXPECT_EQ(hard.retry_policy().retry_on(), "5xx,retriable-status-codes");
  EXPECT_THAT(hard.retry_policy().retriable_status_codes(), ElementsAre(409u));
  EXPECT_EQ(hard.request_mirror_policies(0).runtime_fraction().default_value().numerator(), 250000u);
  EXPECT_TRUE(host.routes(4).typed_per_filter_config().contains("envoy.filters.http.fault"));
  EXPECT_TRUE(host.routes(4).typed_per_filter_config().contains("envoy.filters.http.cors"));
  EXPECT_FALSE(host.routes(5).route().has_retry_policy());
}

TEST(VirtualService, ADelegateFillsInTheRoutesOfItsRoot) {
  auto host = Mesh::helloworld(R"yaml(
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root, namespace: default}
spec: {hosts: [helloworld], http: [{match: [{uri: {prefix: /a}}], delegate: {name: part, namespace: data}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: part, namespace: data}
spec:
  http:
  - {match: [{uri: {prefix: /a/b}}], route: [{destination: {host: helloworld-v1.default.svc.cluster.local}}]}
  - {match: [{uri: {prefix: /z}}], route: [{destination: {host: helloworld-v2.default.svc.cluster.local}}]}
)yaml")
                  .host(kClient, "5000", "helloworld");
  ASSERT_EQ(host.routes_size(), 1);
  EXPECT_EQ(host.routes(0).match().prefix(), "/a/b");
}

TEST(VirtualService, OneThatIsNotExportedHereIsNotObeyed) {
  std::string yaml = kTwoServices;
  yaml.insert(yaml.find("  hosts:"), "  exportTo: [\".\"]\n");
  Mesh mesh = Mesh::helloworld(yaml);
  EXPECT_TRUE(mesh.host(kClient, "5000", "helloworld").routes(0).route().has_weighted_clusters());
  EXPECT_FALSE(mesh.host("data/db-0", "5000", "helloworld.default").routes(0).route().has_weighted_clusters());
}

TEST(VirtualService, TcpAndTlsRoutesShareConnections) {
  Mesh mesh = Mesh::helloworld(R"yaml(
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside, namespace: default}
spec: {hosts: [www.example.org, "*.wild.org"], location: MESH_EXTERNAL, resolution: NONE, ports: [{number: 443, name: tls, protocol: TLS}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api, namespace: default}
spec: {hosts: [api.example.org], location: MESH_EXTERNAL, resolution: DNS, ports: [{number: 443, name: https, protocol: HTTPS}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: sni, namespace: default}
spec: {hosts: [www.example.org], tls: [{match: [{port: 443, sniHosts: [www.example.org]}], route: [{destination: {host: api.example.org, port: {number: 443}}}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: split, namespace: data}
spec: {hosts: [db], tcp: [{route: [{destination: {host: db}, weight: 90}, {destination: {host: api.example.org, port: {number: 443}}, weight: 10}]}]}
)yaml");
  auto shared = mesh.listener(kClient, "0.0.0.0_443");
  ASSERT_EQ(shared.filter_chains_size(), 3);
  EXPECT_EQ(shared.default_filter_chain().name(), "PassthroughFilterChain");
  std::map<std::string, std::string> by_name;
  for (const auto& chain : shared.filter_chains())
    by_name[chain.filter_chain_match().server_names(0)] = chain.filters(0).typed_config().value();
  EXPECT_THAT(by_name["www.example.org"], HasSubstr("outbound|443||api.example.org"));
  EXPECT_THAT(by_name["*.wild.org"], HasSubstr("outbound|443||*.wild.org"));
  auto db = mesh.listener(kClient, "10.96.0.20_5432");
  EXPECT_THAT(db.filter_chains(0).filters(0).typed_config().value(), HasSubstr("outbound|443||api.example.org"));
  EXPECT_EQ(mesh.cluster(kClient, "outbound|443||api.example.org").type(), cluster_v3::Cluster::STRICT_DNS);
  EXPECT_EQ(mesh.cluster(kClient, "outbound|443||*.wild.org").type(), cluster_v3::Cluster::ORIGINAL_DST);
}

TEST(DestinationRule, ATunnelWrapsTcpAndTlsConnectionsToItsHost) {
  namespace tcp = envoy::extensions::filters::network::tcp_proxy::v3;
  Mesh mesh = Mesh::helloworld(R"yaml(
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: forward-proxy, namespace: default}
spec: {hosts: [proxy.example.org], location: MESH_EXTERNAL, resolution: DNS, ports: [{number: 3128, name: tcp, protocol: TCP}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside, namespace: default}
spec: {hosts: [www.example.org], location: MESH_EXTERNAL, resolution: NONE, ports: [{number: 443, name: tls, protocol: TLS}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: out, namespace: default}
spec:
  hosts: [www.example.org]
  tls: [{match: [{port: 443, sniHosts: [www.example.org]}], route: [{destination: {host: proxy.example.org, subset: out, port: {number: 3128}}}]}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: forward-proxy, namespace: default}
spec:
  host: proxy.example.org
  subsets: [{name: out, trafficPolicy: {tunnel: {protocol: CONNECT, targetHost: www.example.org, targetPort: 443}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: db, namespace: data}
spec: {host: db, trafficPolicy: {tunnel: {protocol: POST, targetHost: "2001:db8::1", targetPort: 5432}}}
)yaml");
  auto proxy_of = [&](const listener_v3::FilterChain& chain) {
    tcp::TcpProxy out;
    EXPECT_TRUE(chain.filters(chain.filters_size() - 1).typed_config().UnpackTo(&out));
    return out;
  };
  auto tls = mesh.listener(kClient, "0.0.0.0_443");
  auto out = proxy_of(tls.filter_chains(0));
  EXPECT_EQ(out.cluster(), "outbound|3128|out|proxy.example.org");
  EXPECT_EQ(out.tunneling_config().hostname(), "www.example.org:443");
  EXPECT_FALSE(out.tunneling_config().use_post());
  // The rule without the subset says nothing of one.
  EXPECT_FALSE(proxy_of(mesh.listener(kClient, "0.0.0.0_3128").filter_chains(0)).has_tunneling_config());
  auto db = proxy_of(mesh.listener(kClient, "10.96.0.20_5432").filter_chains(0));
  EXPECT_EQ(db.tunneling_config().hostname(), "[2001:db8::1]:5432");
  EXPECT_TRUE(db.tunneling_config().use_post());
}

}  // namespace
}  // namespace scenario
