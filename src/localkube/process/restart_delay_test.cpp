// SPDX-License-Identifier: Apache-2.0
#include "localkube/process/restart_delay.h"

#include <gtest/gtest.h>

namespace localkube {
namespace {

using namespace std::chrono_literals;

TEST(RestartDelay, DoublesUpToItsMostWhereTheProcessDoesNotLive) {
  RestartDelay delay(1000ms);
  std::vector<int64_t> waits;
  for (int i = 0; i < 7; ++i) waits.push_back(delay.after(10ms).count());
  EXPECT_EQ(waits, (std::vector<int64_t>{50, 100, 200, 400, 800, 1000, 1000}));
}

TEST(RestartDelay, AProcessThatHadRunForAGoodWhileStartsAgainAtOnce) {
  RestartDelay delay(1000ms);
  for (int i = 0; i < 6; ++i) delay.after(10ms);
  EXPECT_EQ(delay.after(5s), 0ms);
  EXPECT_EQ(delay.after(10ms), 50ms) << "and what was before is forgotten";
}

}  // namespace
}  // namespace localkube
