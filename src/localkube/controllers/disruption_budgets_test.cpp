// SPDX-License-Identifier: Apache-2.0
#include "localkube/controllers/disruption_budgets.h"

#include <gtest/gtest.h>

namespace localkube {
namespace {

BudgetCount::Result count(const base::Json& spec, BudgetCount of) { return of.of(spec); }

TEST(DisruptionBudgets, ANumberThatMustBeAvailableIsTakenAsItIs) {
  auto result = count({{"minAvailable", 1}}, {.pods = 2, .healthy = 2, .replicas = 2});
  EXPECT_EQ(result.desired, 1);
  EXPECT_EQ(result.expected, 2);
  EXPECT_EQ(result.allowed, 1);
  EXPECT_EQ(count({{"minAvailable", 3}}, {.pods = 2, .healthy = 2, .replicas = 2}).allowed, 0);
}

TEST(DisruptionBudgets, SharesAreOfWhatTheControllersAreAskedForAndAreRoundedUp) {
  auto result = count({{"minAvailable", "50%"}}, {.pods = 2, .healthy = 2, .replicas = 3});
  EXPECT_EQ(result.desired, 2);
  EXPECT_EQ(result.expected, 3);
  EXPECT_EQ(result.allowed, 0);
  result = count({{"maxUnavailable", "30%"}}, {.pods = 3, .healthy = 3, .replicas = 3});
  EXPECT_EQ(result.desired, 2);
  EXPECT_EQ(result.allowed, 1);
  EXPECT_EQ(count({{"maxUnavailable", 5}}, {.pods = 3, .healthy = 1, .replicas = 3}).allowed, 1);
}

TEST(DisruptionBudgets, WherePodsAreNotExpectedNoneMayGo) {
  EXPECT_EQ(count({{"maxUnavailable", 1}}, {.pods = 1, .healthy = 1, .replicas = 0}).allowed, 0);
}

}  // namespace
}  // namespace localkube
