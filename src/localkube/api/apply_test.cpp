// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/apply.h"

#include <gtest/gtest.h>

#include "localkube/api/catalog.h"

namespace localkube {
namespace {

Json json(std::string_view text) { return *base::parse_json(text); }

class ApplyTest : public testing::Test {
 protected:
  Answer<Json> apply_as(const char* manager, std::string_view wanted, bool force = false) {
    Call call;
    call.field_manager = manager;
    call.force = force;
    auto applied = apply(*row_, "v1", current_, json(wanted), call);
    if (!applied) return std::unexpected(applied.error());
    current_ = applied->object;
    current_["metadata"]["managedFields"] = applied->managed_fields;
    return current_;
  }

  Catalog catalog_;
  KindPointer row_ = catalog_.find("apps", "v1", "deployments");
  Json current_ = json(R"({"metadata":{"name":"d"}})");
};

TEST_F(ApplyTest, FieldsThatAManagerLetsGoAreRemovedUnlessAnotherHasThem) {
  ASSERT_TRUE(apply_as("a", R"({"metadata":{"labels":{"x":"1","y":"1"}}})"));
  ASSERT_TRUE(apply_as("b", R"({"metadata":{"labels":{"y":"1"}}})"));
  auto after = apply_as("a", R"({"metadata":{"labels":{}}})");
  ASSERT_TRUE(after);
  EXPECT_EQ((*after)["metadata"]["labels"], json(R"({"y":"1"})"));
}

TEST_F(ApplyTest, AnotherValueIsAConflictUnlessForced) {
  ASSERT_TRUE(apply_as("a", R"({"spec":{"replicas":2}})"));
  auto refused = apply_as("b", R"({"spec":{"replicas":3}})");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "Apply failed with 1 conflict: conflict with \"a\": .spec.replicas");
  auto forced = apply_as("b", R"({"spec":{"replicas":3}})", true);
  ASSERT_TRUE(forced);
  EXPECT_EQ((*forced)["spec"]["replicas"], 3);
  EXPECT_TRUE(apply_as("b", R"({"spec":{"replicas":4}})")) << "it has the field alone now";
}

TEST_F(ApplyTest, ListsOfContainersMergeByName) {
  ASSERT_TRUE(apply_as("a", R"({"spec":{"template":{"spec":{"containers":[{"name":"c","image":"x"}]}}}})"));
  auto after = apply_as("b", R"({"spec":{"template":{"spec":{"containers":[{"name":"d","image":"y"}]}}}})");
  ASSERT_TRUE(after);
  EXPECT_EQ((*after)["spec"]["template"]["spec"]["containers"].size(), 2u);
  after = apply_as("b", R"({"spec":{"template":{"spec":{}}}})");
  ASSERT_TRUE(after);
  EXPECT_EQ((*after)["spec"]["template"]["spec"]["containers"], json(R"([{"name":"c","image":"x"}])"));
}

TEST_F(ApplyTest, ApplyingTheSameAgainChangesNothing) {
  ASSERT_TRUE(apply_as("a", R"({"spec":{"replicas":2}})"));
  current_["metadata"]["managedFields"][0]["time"] = "2020-01-01T00:00:00Z";
  Json before = current_;
  ASSERT_TRUE(apply_as("a", R"({"spec":{"replicas":2}})"));
  EXPECT_EQ(current_, before);
}

}  // namespace
}  // namespace localkube
