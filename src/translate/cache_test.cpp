// SPDX-License-Identifier: Apache-2.0
#include "translate/cache.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "config/specs.h"

namespace translate {
namespace {

// Two services of one pod each, in the namespace `default`.
struct World {
  mesh::Inputs inputs;
  std::shared_ptr<const mesh::Snapshot> snapshot;

  World() {
    for (const char* name : {"a", "b"}) {
      put(std::string("{apiVersion: v1, kind: Service, metadata: {name: ") + name +
          ", namespace: default}, spec: {clusterIP: " + (name[0] == 'a' ? "10.0.0.1" : "10.0.0.2") +
          ", selector: {app: " + name + "}, ports: [{port: 80, name: http}]}}");
      slice(name, {"10.1.0.1"});
    }
    build();
  }

  void put(const std::string& yaml) {
    auto documents = base::parse_yaml(yaml);
    ASSERT_TRUE(documents) << documents.error().message;
    for (auto& document : *documents) inputs.put(objects::Object(std::move(document)));
  }

  void slice(const std::string& service, const std::vector<std::string>& addresses) {
    base::Json endpoints = base::Json::array();
    for (const auto& address : addresses) endpoints.push_back({{"addresses", {address}}});
    inputs.put(objects::Object(
        {{"apiVersion", "discovery.k8s.io/v1"},
         {"kind", "EndpointSlice"},
         {"metadata",
          {{"name", service}, {"namespace", "default"}, {"labels", {{"kubernetes.io/service-name", service}}}}},
         {"endpoints", endpoints},
         {"ports", {{{"name", "http"}, {"port", 8080}}}}}));
  }

  void build() { snapshot = mesh::Snapshot::build(inputs, snapshot.get()); }

  mesh::View view(const std::string& pod, const base::Json& labels = base::Json::object()) const {
    return mesh::View(snapshot, *mesh::parse_proxy("sidecar~10.9.9.9~" + pod + ".default~default.svc.cluster.local",
                                                   {{"LABELS", labels}}));
  }
};

const std::vector<std::string> kTable = {"80"};
const std::vector<std::string> kBoth = {"outbound|80||a.default.svc.cluster.local",
                                        "outbound|80||b.default.svc.cluster.local"};

TEST(Cache, GivesWhatTheTranslationGives) {
  World world;
  Cache cache;
  auto view = world.view("one", {{"app", "a"}});
  auto kept = cache.clusters(view);
  auto made = clusters(view);
  ASSERT_EQ(kept.size(), made.size());
  for (size_t i = 0; i < made.size(); ++i) {
    EXPECT_EQ(kept[i]->name, made[i].name);
    EXPECT_EQ(serialized(*kept[i]->message), serialized(*made[i].message));
  }
  EXPECT_EQ(cache.listeners(view).size(), listeners(view).size());
  EXPECT_EQ(cache.route_names(view), route_names(view));
  EXPECT_EQ(cache.endpoint_names(view), endpoint_names(view));
}

TEST(Cache, ProxiesThatSeeTheSameShareOneObject) {
  World world;
  Cache cache;
  auto one = cache.routes(world.view("one"), kTable);
  auto two = cache.routes(world.view("two", {{"app", "x"}}), kTable);
  EXPECT_EQ(one[0], two[0]);
}

TEST(Cache, ALabelThatARuleAsksForPartsThem) {
  World world;
  world.put(
      "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: v, namespace: default}, spec: "
      "{hosts: [a], http: [{match: [{sourceLabels: {app: x}}], route: [{destination: {host: b}}]}, {route: "
      "[{destination: {host: a}}]}]}}");
  world.build();
  Cache cache;
  auto one = cache.routes(world.view("one"), kTable);
  auto two = cache.routes(world.view("two", {{"app", "x"}}), kTable);
  auto three = cache.routes(world.view("three", {{"app", "x"}, {"more", "y"}}), kTable);
  EXPECT_NE(one[0], two[0]);
  EXPECT_EQ(two[0], three[0]);
}

TEST(Cache, WhatDidNotChangeStaysTheSameObject) {
  World world;
  Cache cache;
  auto clusters_before = cache.clusters(world.view("one"));
  auto endpoints_before = cache.endpoints(world.view("one"), kBoth);
  world.slice("a", {"10.1.0.1", "10.1.0.7"});
  world.build();
  auto endpoints_after = cache.endpoints(world.view("one"), kBoth);
  EXPECT_NE(endpoints_before[0], endpoints_after[0]);
  EXPECT_EQ(endpoints_before[1], endpoints_after[1]);
  EXPECT_EQ(cache.clusters(world.view("one")), clusters_before);

  world.put(
      "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: v, namespace: default}, spec: "
      "{hosts: [a], http: [{route: [{destination: {host: b}}]}]}}");
  world.build();
  EXPECT_EQ(cache.clusters(world.view("one")), clusters_before);
  EXPECT_EQ(cache.endpoints(world.view("one"), kBoth), endpoints_after);
}

TEST(Cache, WhatNobodyAsksForIsDropped) {
  World world;
  Cache cache;
  std::weak_ptr<const Resource> seen = cache.routes(world.view("one"), kTable)[0];
  cache.sweep();
  EXPECT_FALSE(seen.expired());
  cache.sweep();
  EXPECT_TRUE(seen.expired());
}

}  // namespace
}  // namespace translate
