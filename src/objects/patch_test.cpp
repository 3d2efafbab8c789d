// SPDX-License-Identifier: Apache-2.0
#include "objects/patch.h"

#include <gmock/gmock.h>

namespace objects {
namespace {

Json json(std::string_view text) {
  auto value = base::parse_json(text);
  EXPECT_TRUE(value) << text;
  return value ? *value : Json();
}

Json patched(const Kind& kind, std::string_view document, std::string_view patch) {
  return strategic_patched(*find_schema(kind), json(document), json(patch));
}

const Kind kService{"", "v1", "Service"};
const Kind kDeployment{"apps", "v1", "Deployment"};
const Kind kConfigMap{"", "v1", "ConfigMap"};

TEST(StrategicPatch, MergesAListByItsKeyAndKeepsTheRest) {
  Json service =
      patched(kService, R"({"spec":{"ports":[{"port":15021,"name":"status"},{"port":80,"name":"http","nodePort":1}]}})",
              R"({"spec":{"type":"NodePort","ports":[{"port":80,"nodePort":30080}]}})");
  EXPECT_EQ(
      service["spec"],
      json(
          R"({"type":"NodePort","ports":[{"port":15021,"name":"status"},{"port":80,"name":"http","nodePort":30080}]})"));
}

TEST(StrategicPatch, PutsNewItemsInThePatchesOrder) {
  EXPECT_EQ(patched(kService, R"({"spec":{"ports":[{"port":80}]}})",
                    R"({"spec":{"ports":[{"port":81,"name":"b"},{"port":80,"name":"a"}]}})")["spec"]["ports"],
            json(R"([{"port":81,"name":"b"},{"port":80,"name":"a"}])"));
}

TEST(StrategicPatch, ObeysSetElementOrderAndDelete) {
  Json service = patched(kService, R"({"spec":{"ports":[{"port":8080,"name":"http"}]}})",
                         R"({"spec":{"$setElementOrder/ports":[{"port":8081}],
                             "ports":[{"name":"http","port":8081,"protocol":"TCP"},{"$patch":"delete","port":8080}]}})");
  EXPECT_EQ(service["spec"], json(R"({"ports":[{"name":"http","port":8081,"protocol":"TCP"}]})"));
  constexpr std::string_view kTwo = R"({"spec":{"template":{"spec":{"containers":[{"name":"c"},{"name":"d"}]}}}})";
  Json deployment = patched(kDeployment, kTwo,
                            R"({"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"d"},{"name":"c"}],
                                                   "containers":[{"name":"d","image":"y"}]}}}})");
  EXPECT_EQ(deployment["spec"]["template"]["spec"], json(R"({"containers":[{"name":"d","image":"y"},{"name":"c"}]})"));
}

TEST(StrategicPatch, ReplacesWhereToldTo) {
  constexpr std::string_view kTwo =
      R"({"spec":{"template":{"spec":{"containers":[{"name":"c","image":"x"},{"name":"d"}]}}}})";
  EXPECT_EQ(patched(kDeployment, kTwo,
                    R"({"spec":{"template":{"spec":{"containers":[{"$patch":"replace"},{"name":"c","image":"z"}]}}}})")
                ["spec"]["template"]["spec"]["containers"],
            json(R"([{"name":"c","image":"z"}])"));
  EXPECT_EQ(patched(kDeployment, kTwo, R"({"spec":{"$patch":"replace","replicas":2}})")["spec"],
            json(R"({"replicas":2})"));
}

TEST(StrategicPatch, RetainsOnlyTheKeysThatItNames) {
  EXPECT_EQ(patched(kDeployment, R"({"spec":{"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1}}}})",
                    R"({"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}})")["spec"]["strategy"],
            json(R"({"type":"Recreate"})"));
}

TEST(StrategicPatch, AddsToAndTakesFromSetsOfValues) {
  EXPECT_EQ(patched(kConfigMap, R"({"metadata":{"finalizers":["a/b"]}})",
                    R"({"metadata":{"finalizers":["x.y/z"]}})")["metadata"]["finalizers"]
                .size(),
            2u);
  EXPECT_EQ(patched(kConfigMap, R"({"metadata":{"finalizers":["a/b","x.y/z"]}})",
                    R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["x.y/z"]}})")["metadata"]["finalizers"],
            json(R"(["a/b"])"));
}

TEST(StrategicPatch, NullDeletesAndMapsMerge) {
  EXPECT_EQ(patched(kConfigMap, R"({"metadata":{"labels":{"a":"1"}},"data":{"x":"1","y":"2"}})",
                    R"({"metadata":{"labels":null,"annotations":{"a":"1"}},"data":{"x":null,"z":"3"}})"),
            json(R"({"metadata":{"annotations":{"a":"1"}},"data":{"y":"2","z":"3"}})"));
}

TEST(StrategicPatch, TellsAContainersPortsFromAServices) {
  EXPECT_EQ(list_key(*find_schema(kDeployment), {"spec", "template", "spec", "containers", "ports"}), "containerPort");
  EXPECT_EQ(list_key(*find_schema(kService), {"spec", "ports"}), "port");
  EXPECT_EQ(list_key(*find_schema(kService), {"metadata", "finalizers"}), kSetOfValues);
  EXPECT_EQ(list_key(*find_schema(kDeployment), {"spec", "template", "spec", "containers", "args"}), "");
}

TEST(JsonPatch, AppliesWhollyOrNotAtAll) {
  Json before = json(R"({"data":{"a":"1"}})");
  auto after = json_patched(
      before, json(R"([{"op":"add","path":"/data/b","value":"2"},{"op":"test","path":"/data/b","value":"2"},
                                             {"op":"remove","path":"/data/a"}])"));
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ(*after, json(R"({"data":{"b":"2"}})"));
  EXPECT_FALSE(json_patched(before, json(R"([{"op":"test","path":"/data/a","value":"3"}])")));
  EXPECT_FALSE(json_patched(before, json(R"([{"op":"remove","path":"/data/zz"}])")));
  EXPECT_FALSE(json_patched(before, json(R"({"a":1})")));
  EXPECT_FALSE(json_patched(before, json(R"([{"op":"add","path":"/data/a/b","value":"3"}])")));
  EXPECT_FALSE(json_patched(before, json(R"([{"op":"remove","path":"/data/a/b"}])")));
  EXPECT_FALSE(json_patched(before, json(R"([{"op":"add","path":"data","value":"3"}])")));
}

TEST(JsonPatch, RefusesCopiesThatGrowWithoutBounds) {
  Json patch = Json::array();
  for (int i = 0; i < 40; ++i) patch.push_back({{"op", "copy"}, {"from", ""}, {"path", "/data/c" + std::to_string(i)}});
  auto after = json_patched(json(R"({"data":{"a":"0123456789"}})"), patch);
  ASSERT_FALSE(after);
  EXPECT_EQ(after.error().kind, base::ErrorKind::Exhausted);
}

TEST(MergePatch, ReplacesListsAndDropsNulls) {
  EXPECT_EQ(merge_patched(json(R"({"a":[1,2],"b":{"c":1,"d":2}})"), json(R"({"a":[3],"b":{"c":null}})")),
            json(R"({"a":[3],"b":{"d":2}})"));
}

}  // namespace
}  // namespace objects
