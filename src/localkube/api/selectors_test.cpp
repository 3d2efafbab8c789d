// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/selectors.h"

#include <gtest/gtest.h>

namespace localkube {
namespace {

bool selects(std::string_view selector, const char* labels) {
  auto parsed = LabelSelector::parse(selector);
  EXPECT_TRUE(parsed) << selector << ": " << parsed.error().message;
  return parsed && parsed->matches(*base::parse_json(std::string(R"({"metadata":{"labels":)") + labels + "}}"));
}

TEST(LabelSelector, KnowsEqualitySetsAndPresence) {
  const char* labels = R"({"app":"web","tier":"front"})";
  EXPECT_TRUE(selects("app=web", labels));
  EXPECT_TRUE(selects("app==web,tier!=back", labels));
  EXPECT_TRUE(selects("app in (web, api), !beta", labels));
  EXPECT_TRUE(selects("tier notin (back)", labels));
  EXPECT_TRUE(selects("app", labels));
  EXPECT_FALSE(selects("app in (api)", labels));
  EXPECT_FALSE(selects("!app", labels));
  EXPECT_FALSE(selects("beta", labels));
  EXPECT_TRUE(selects("", labels));
}

TEST(LabelSelector, SaysWhatItExpected) {
  auto wrong = LabelSelector::parse("a===b");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message, "unable to parse requirement: found '=', expected: identifier");
}

TEST(FieldSelector, TakesOnlyFieldsThatTheKindOffers) {
  Catalog catalog;
  auto pods = catalog.find("", "v1", "pods"), maps = catalog.find("", "v1", "configmaps");
  auto running = FieldSelector::parse("status.phase=Running,metadata.name!=x", *pods);
  ASSERT_TRUE(running);
  EXPECT_TRUE(running->matches(*base::parse_json(R"({"metadata":{"name":"y"},"status":{"phase":"Running"}})")));
  EXPECT_FALSE(running->matches(*base::parse_json(R"({"metadata":{"name":"x"},"status":{"phase":"Running"}})")));
  auto wrong = FieldSelector::parse("data.a=1", *maps);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message,
            "\"data.a\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"");
}

}  // namespace
}  // namespace localkube
