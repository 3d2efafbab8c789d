// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "scenario.h"

namespace scenario {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr const char* kClient = "default/nginx";
constexpr const char* kServer = "default/helloworld-v1-1";
constexpr const char* kGateway = "istio-system/istio-ingressgateway-1";

constexpr const char* kHello = R"yaml(
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: hello, namespace: default}
spec:
  hosts: [helloworld.default.svc.cluster.local]
  http:
  - {match: [{headers: {user: {exact: ann}}}], rewrite: {uri: /v2}, timeout: 2s, route: [{destination: {host: helloworld-v2}}]}
  - {match: [{uri: {prefix: /none}}], route: [{destination: {host: helloworld, subset: none}}]}
  - {match: [{uri: {exact: /gone}}], redirect: {uri: /here}}
  - route:
    - {destination: {host: helloworld-v1}, weight: 20}
    - {destination: {host: helloworld-v2}, weight: 80}
)yaml";

TEST(Decide, AShortNameFindsItsServiceAndItsRule) {
  auto decision = Mesh::helloworld(kHello).decide(kClient, "GET http://helloworld.default:5000/hello");
  EXPECT_EQ(decision.listener, "0.0.0.0_5000");
  EXPECT_EQ(decision.status, 0);
  EXPECT_EQ(shares(decision),
            "outbound|5000||helloworld-v1.default.svc.cluster.local=20 "
            "outbound|5000||helloworld-v2.default.svc.cluster.local=80");
  EXPECT_THAT(decision.shares[0].endpoints, ElementsAre("10.10.0.6:5000"));
  EXPECT_EQ(decision.retries, 2u);
  EXPECT_EQ(decision.origin, "/apis/networking.istio.io/v1/namespaces/default/virtual-service/hello");
}

TEST(Decide, AHeaderChoosesAndTheRouteRewrites) {
  auto decision = Mesh::helloworld(kHello).decide(kClient, "GET http://helloworld:5000/hello?x=1\nuser: ann");
  EXPECT_EQ(shares(decision), "outbound|5000||helloworld-v2.default.svc.cluster.local");
  EXPECT_EQ(decision.path, "/v2hello?x=1");
  EXPECT_EQ(decision.timeout, std::chrono::seconds(2));
}

TEST(Decide, WhatIsMissingIs503AndWhatIsKnownElsewhereRedirects) {
  Mesh mesh = Mesh::helloworld(kHello);
  auto lost = mesh.decide(kClient, "GET http://helloworld:5000/none");
  EXPECT_EQ(lost.status, 503);
  EXPECT_EQ(lost.why, "NC");
  auto moved = mesh.decide(kClient, "GET http://helloworld:5000/gone");
  EXPECT_EQ(moved.status, 301);
  EXPECT_EQ(moved.location, "http://helloworld:5000/here");
}

TEST(Decide, AServiceWithoutPodsIs503WithNoHealthyUpstream) {
  Mesh mesh = Mesh::helloworld();
  mesh.erase({"", "Pod", "default", "helloworld-v2-1"});
  auto decision = mesh.decide(kClient, "GET http://helloworld-v2:5000/");
  EXPECT_EQ(decision.status, 503);
  EXPECT_EQ(decision.why, "UH");
}

TEST(Decide, WhatTheMeshDoesNotKnowPassesUnlessTheRegistryIsAll) {
  Mesh mesh = Mesh::helloworld();
  EXPECT_EQ(shares(mesh.decide(kClient, "GET http://example.org/")), "PassthroughCluster");
  EXPECT_EQ(shares(mesh.decide(kClient, "GET http://example.org:9999/")), "PassthroughCluster");
  mesh.apply(
      "{apiVersion: v1, kind: ConfigMap, metadata: {name: istio, namespace: istio-system}, data: {mesh: "
      "'outboundTrafficPolicy: {mode: REGISTRY_ONLY}'}}");
  EXPECT_EQ(mesh.decide(kClient, "GET http://example.org/").status, 502);
  EXPECT_EQ(shares(mesh.decide(kClient, "GET http://example.org:9999/")), "BlackHoleCluster");
}

TEST(Decide, AGatewayServesTheHostsItOffersAndNoOthers) {
  Mesh mesh = Mesh::helloworld(R"yaml(
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: default}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.example.com"]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: dev, namespace: default}
spec: {hosts: [dev.example.com, newexample.com], gateways: [front], http: [{route: [{destination: {host: helloworld-v1, port: {number: 5000}}}]}]}
)yaml");
  auto served = mesh.decide(kGateway, "GET http://dev.example.com/hello");
  EXPECT_EQ(served.listener, "0.0.0.0_8080");
  EXPECT_EQ(shares(served), "outbound|5000||helloworld-v1.default.svc.cluster.local");
  for (const char* other : {"example.com", "newexample.com", "prod.example.com"})
    EXPECT_EQ(mesh.decide(kGateway, std::string("GET http://") + other + "/hello").status, 404) << other;
  EXPECT_EQ(shares(mesh.decide(kClient, "GET http://istio-ingressgateway.istio-system/hello")),
            "outbound|80||istio-ingressgateway.istio-system.svc.cluster.local");
}

// What a stock Envoy is tried with must compile in Seine's own proxy as well,
// for a client, a server and a gateway; but for what validation refuses since
// that proxy does not know it.
class Rules : public ::testing::TestWithParam<const char*> {};

TEST_P(Rules, CompileInSeinesProxy) {
  std::ostringstream yaml;
  yaml << std::ifstream(std::string(SCENARIO_RULES) + "/" + GetParam() + ".yaml").rdbuf();
  ASSERT_FALSE(yaml.str().empty());
  Mesh mesh = Mesh::helloworld(yaml.str());
  for (const char* pod : {kClient, kServer, kGateway})
    EXPECT_NO_THROW(mesh.decide(pod, "GET http://helloworld.default:5000/hello")) << pod;
}

INSTANTIATE_TEST_SUITE_P(Scenarios, Rules, ::testing::Values("edge", "entries", "matches", "policy", "sidecar"));

}  // namespace
}  // namespace scenario
