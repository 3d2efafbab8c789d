// SPDX-License-Identifier: Apache-2.0
#include "objects/quantity.h"

#include <gtest/gtest.h>

namespace objects {
namespace {

std::string canonical(std::string_view text) { return canonical_quantity(text).value_or("none"); }

TEST(Quantity, TakesTheLargestSuffixWithoutAFraction) {
  EXPECT_EQ(canonical("0.1"), "100m");
  EXPECT_EQ(canonical("1000m"), "1");
  EXPECT_EQ(canonical("1"), "1");
  EXPECT_EQ(canonical("2000"), "2k");
  EXPECT_EQ(canonical("1.5Gi"), "1536Mi");
  EXPECT_EQ(canonical("1024Mi"), "1Gi");
  EXPECT_EQ(canonical("64Mi"), "64Mi");
  EXPECT_EQ(canonical("0.1Mi"), "104857600m");
  EXPECT_EQ(canonical("-0.5"), "-500m");
  EXPECT_EQ(canonical("0Mi"), "0");
  EXPECT_EQ(canonical(".5"), "500m");
}

TEST(Quantity, KeepsAnExponentAndRoundsUpBelowABillionth) {
  EXPECT_EQ(canonical("1e3"), "1e3");
  EXPECT_EQ(canonical("0.5n"), "1n");
}

TEST(Quantity, StaysWithinWhatKubernetesHolds) { EXPECT_EQ(canonical("999999999999999999Ei"), "9223372036854775807"); }

TEST(Quantity, RefusesWhatIsNone) {
  for (const char* text : {"", "m", "1x", "1.2.3", "1 Mi", "Mi", "1mi", "--1", "."})
    EXPECT_EQ(canonical(text), "none") << text;
}

}  // namespace
}  // namespace objects
