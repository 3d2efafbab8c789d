// SPDX-License-Identifier: Apache-2.0
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include "config/descriptions.h"
#include "config/kinds.h"

namespace config {

using objects::Json;

static const Json& schema_of(const std::vector<Json>& definitions, std::string_view kind) {
  for (const Json& one : definitions)
    if (one["spec"]["names"]["kind"] == kind) return one["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
  static const Json kNone = Json::object();
  return kNone;
}

TEST(CustomResources, DescribeEveryFieldOfTheirSpecs) {
  for (const Json& definition : custom_resource_definitions())
    for (const Json& version : definition["spec"]["versions"]) {
      const Json& schema = version["schema"]["openAPIV3Schema"];
      const Json& spec = schema["properties"]["spec"];
      if (!spec.contains("properties")) continue;
      EXPECT_TRUE(schema.contains("description")) << definition["spec"]["names"]["kind"];
      for (const auto& [name, field] : spec["properties"].items())
        EXPECT_TRUE(field.contains("description")) << definition["spec"]["names"]["kind"] << " " << name;
    }
}

TEST(CustomResources, DescribeFieldsBelowListsAndMaps) {
  auto definitions = custom_resource_definitions();
  const Json& routes = schema_of(definitions, "VirtualService")["properties"]["spec"]["properties"]["http"];
  EXPECT_NE(routes["description"], Json());
  const Json& header = routes["items"]["properties"]["match"]["items"]["properties"]["headers"];
  EXPECT_EQ(header["additionalProperties"]["properties"]["exact"]["description"], "The whole text, as it is.");
  const Json& mtls = schema_of(definitions, "PeerAuthentication")["properties"]["spec"]["properties"]["portLevelMtls"];
  EXPECT_TRUE(mtls["additionalProperties"]["properties"]["mode"].contains("description"));
}

TEST(CustomResources, EveryDescriptionIsOfAFieldThatThereIs) {
  custom_resource_definitions();  // names every schema, so that the linker keeps it
  for (const Description& one : descriptions()) {
    auto* type =
        google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName("istio." + std::string(one.type));
    ASSERT_NE(type, nullptr) << one.type;
    if (one.field.empty()) continue;
    bool found = false;
    for (int i = 0; i < type->field_count(); ++i) found = found || type->field(i)->json_name() == one.field;
    EXPECT_TRUE(found) << one.type << " " << one.field;
  }
}

}  // namespace config
