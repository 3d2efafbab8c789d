// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/subset.h"

#include <gtest/gtest.h>

namespace proxy {
namespace {

TEST(Subsets, CriteriaAreEqualWhateverTheOrderAndTheWritingOfNumbers) {
  SubsetCriteria a({{"v", 1}, {"stage", "x"}}, nullptr), b({{"stage", "x"}, {"v", 1.0}}, nullptr);
  EXPECT_EQ(a.name(), b.name());
  EXPECT_NE(a.name(), SubsetCriteria({{"v", "1"}, {"stage", "x"}}, nullptr).name());
  SubsetCriteria merged({{"v", 2}}, &a);
  EXPECT_EQ(merged.name(), SubsetCriteria({{"stage", "x"}, {"v", 2}}, nullptr).name());
  EXPECT_EQ(merged.only({"v"}).name(), SubsetCriteria({{"v", 2}}, nullptr).name());
  EXPECT_TRUE(merged.has_keys({"stage", "v"}));
  EXPECT_FALSE(merged.has_keys({"stage"}));
}

TEST(Subsets, AnEndpointIsInThoseOfTheSelectorsWhoseKeysItHas) {
  SubsetPolicy policy;
  policy.selectors = {{.keys = {"v"}}, {.keys = {"stage", "v"}}};
  policy.default_subset = SubsetCriteria({{"v", "1"}}, nullptr);
  const auto plain = subset_labels({{"v", "1"}}), list = subset_labels({{"v", {"1", "2"}}, {"stage", "x"}});
  EXPECT_EQ(policy.names_of(policy.selectors[0], plain), std::vector{SubsetCriteria({{"v", "1"}}, nullptr).name()});
  EXPECT_TRUE(policy.names_of(policy.selectors[1], plain).empty());
  EXPECT_TRUE(policy.in_default(plain));
  EXPECT_FALSE(policy.in_default(list)) << "a list is a value of its own";
  policy.list_as_any = true;
  EXPECT_TRUE(policy.in_default(list));
  EXPECT_EQ(policy.names_of(policy.selectors[1], list),
            (std::vector{SubsetCriteria({{"v", "1"}, {"stage", "x"}}, nullptr).name(),
                         SubsetCriteria({{"v", "2"}, {"stage", "x"}}, nullptr).name()}));
}

}  // namespace
}  // namespace proxy
