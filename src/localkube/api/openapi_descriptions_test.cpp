// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/openapi_descriptions.h"

#include <gtest/gtest.h>

#include <set>

#include "objects/openapi.h"
#include "objects/schema.h"

namespace localkube {
namespace {

TEST(Descriptions, EachIsOfSomethingThatThereIs) {
  base::Json schemas = base::Json::object();
  for (const objects::Kind& kind : objects::described_kinds())
    objects::add_kind_schema(kind, *objects::find_schema(kind), schemas);
  describe(schemas);
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const Description& one : descriptions()) {
    std::string name = std::string(one.type) + "." + std::string(one.member);
    EXPECT_TRUE(seen.insert({one.type, one.member}).second) << name << " is described twice";
    ASSERT_TRUE(schemas.contains(std::string(one.type))) << name;
    const base::Json& type = schemas[std::string(one.type)];
    const base::Json* found = one.member.empty() ? &type : base::find(type, "properties", one.member);
    ASSERT_NE(found, nullptr) << name;
    EXPECT_EQ(base::text(*found, "description"), one.text) << name;
  }
}

}  // namespace
}  // namespace localkube
