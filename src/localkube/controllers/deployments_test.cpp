// SPDX-License-Identifier: Apache-2.0
#include "localkube/controllers/deployments.h"

#include <gtest/gtest.h>

namespace localkube {
namespace {

TEST(RolloutStep, AFirstRolloutMakesAllPodsAtOnce) {
  RolloutStep step{.wanted = 3, .max_surge = 1};
  step.advance();
  EXPECT_EQ(step.fresh.replicas, 3);
}

TEST(RolloutStep, OldPodsStayUntilNewOnesAreAvailable) {
  RolloutStep step{.wanted = 1, .max_surge = 1, .max_unavailable = 0, .fresh = {}, .old = {{1, 1, 1}}};
  step.advance();
  EXPECT_EQ(step.fresh.replicas, 1);
  EXPECT_EQ(step.old[0].replicas, 1);
  step.fresh.existing = step.fresh.available = 1;
  step.advance();
  EXPECT_EQ(step.old[0].replicas, 0);
}

TEST(RolloutStep, BrokenOldPodsGoFirst) {
  RolloutStep step{.wanted = 4, .max_surge = 1, .max_unavailable = 1, .fresh = {}, .old = {{2, 2, 2}, {2, 2, 0}}};
  step.advance();
  EXPECT_EQ(step.fresh.replicas, 1);
  EXPECT_EQ(step.old[1].replicas, 1);
  EXPECT_EQ(step.old[0].replicas, 2);
}

// Whatever the numbers: never more pods than allowed, never fewer that serve.
TEST(RolloutStep, EveryRolloutEndsAndKeepsItsBounds) {
  for (int64_t wanted : {1, 2, 5, 10})
    for (int64_t surge : {0, 1, 3})
      for (int64_t unavailable : {0, 1, 2}) {
        if (surge == 0 && unavailable == 0) continue;
        RolloutStep step{.wanted = wanted,
                         .max_surge = surge,
                         .max_unavailable = unavailable,
                         .fresh = {},
                         .old = {{wanted, wanted, wanted}}};
        int steps = 0;
        while ((step.fresh.available < wanted || step.old[0].replicas > 0) && ++steps < 100) {
          step.advance();
          EXPECT_LE(step.fresh.replicas + step.old[0].replicas, wanted + surge);
          step.old[0].available = step.old[0].existing = step.old[0].replicas;
          EXPECT_GE(step.fresh.available + step.old[0].available, std::max<int64_t>(0, wanted - unavailable));
          step.fresh.available = step.fresh.existing = step.fresh.replicas;
        }
        EXPECT_LT(steps, 100) << wanted << " " << surge << " " << unavailable;
      }
}

TEST(TemplateHash, TellsTemplatesApartAndIsStable) {
  EXPECT_EQ(template_hash({{"a", 1}}, 0), template_hash({{"a", 1}}, 0));
  EXPECT_NE(template_hash({{"a", 1}}, 0), template_hash({{"a", 2}}, 0));
  EXPECT_NE(template_hash({{"a", 1}}, 0), template_hash({{"a", 1}}, 1));
}

}  // namespace
}  // namespace localkube
