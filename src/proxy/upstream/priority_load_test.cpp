// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/priority_load.h"

#include <gtest/gtest.h>

#include <map>

#include "proxy/upstream/scheduler.h"

namespace proxy {
namespace {

std::vector<uint32_t> healthy_loads(std::vector<PriorityHealth> priorities, uint32_t factor = 140, double panic = 50) {
  std::vector<uint32_t> out;
  for (const PriorityLoad& load : loads_of(priorities, factor, panic)) out.push_back(load.healthy);
  return out;
}
using Loads = std::vector<uint32_t>;

// The table in Envoy's documentation of priority levels.
TEST(PriorityLoad, WhatAPriorityCannotCarrySpillsToTheNext) {
  EXPECT_EQ(healthy_loads({{100, 100, 0}, {100, 100, 0}}), (Loads{100, 0}));
  EXPECT_EQ(healthy_loads({{100, 72, 0}, {100, 72, 0}}), (Loads{100, 0}));
  EXPECT_EQ(healthy_loads({{100, 71, 0}, {100, 71, 0}}), (Loads{99, 1}));
  EXPECT_EQ(healthy_loads({{100, 50, 0}, {100, 50, 0}}), (Loads{70, 30}));
  EXPECT_EQ(healthy_loads({{100, 25, 0}, {100, 100, 0}}), (Loads{35, 65}));
  EXPECT_EQ(healthy_loads({{100, 25, 0}, {100, 25, 0}}), (Loads{50, 50}));
  EXPECT_EQ(healthy_loads({{100, 5, 0}, {100, 0, 0}, {100, 0, 0}}, 140, 0), (Loads{100, 0, 0}));
}

TEST(PriorityLoad, DegradedEndpointsTakeWhatTheHealthyCannot) {
  auto loads = loads_of(std::vector<PriorityHealth>{{100, 50, 50}}, 140, 50);
  EXPECT_EQ(loads[0].healthy, 70u);
  EXPECT_EQ(loads[0].degraded, 30u);
  EXPECT_FALSE(loads[0].panic);
}

TEST(PriorityLoad, PanicOnlyWhereAllTogetherCannotCarryTheTraffic) {
  auto carried = loads_of(std::vector<PriorityHealth>{{100, 10, 0}, {100, 100, 0}}, 140, 50);
  EXPECT_FALSE(carried[0].panic);
  auto failing = loads_of(std::vector<PriorityHealth>{{100, 10, 0}, {100, 60, 0}}, 140, 50);
  EXPECT_TRUE(failing[0].panic);
  EXPECT_FALSE(failing[1].panic);
  auto total = loads_of(std::vector<PriorityHealth>{{1, 0, 0}, {3, 0, 0}}, 140, 50);
  EXPECT_TRUE(total[0].panic && total[1].panic);
  EXPECT_EQ(total[0].healthy, 25u);
  EXPECT_EQ(total[1].healthy, 75u);
  EXPECT_FALSE(choose_priority(loads_of(std::vector<PriorityHealth>{{1, 0, 0}}, 140, 0), 3).found)
      << "no panic, no traffic";
}

TEST(Scheduler, PicksInProportionAlsoWhereWeightsChange) {
  Scheduler turns;
  double weights[] = {1, 2, 5};
  auto weight_of = [&](uint32_t item) { return weights[item]; };
  for (uint32_t i = 0; i < 3; ++i) turns.add(i, weights[i]);
  std::map<uint32_t, int> seen;
  for (int i = 0; i < 800; ++i) ++seen[turns.pick(weight_of)];
  EXPECT_NEAR(seen[0], 100, 2);
  EXPECT_NEAR(seen[1], 200, 2);
  EXPECT_NEAR(seen[2], 500, 2);
  weights[0] = 5;
  seen.clear();
  for (int i = 0; i < 1200; ++i) ++seen[turns.pick(weight_of)];
  EXPECT_NEAR(seen[0], 500, 5);
}

}  // namespace
}  // namespace proxy
