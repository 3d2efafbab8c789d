// SPDX-License-Identifier: Apache-2.0
#include "cli/state.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <fstream>

#include "base/testing/folder.h"

namespace cli {

TEST(State, OfAClusterThatWasKilledIsNotARunningOne) {
  base::TestFolder folder;
  State state{folder.path()};
  EXPECT_FALSE(state.running()) << "nothing is there";
  for (const auto& file : {state.kubeconfig(), state.hold_record(), state.dir / "lock"}) std::ofstream(file) << "{}";
  EXPECT_FALSE(state.running()) << "files alone are no cluster";
  int holder = open((state.dir / "lock").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(flock(holder, LOCK_EX), 0);
  EXPECT_TRUE(state.running());
  close(holder);
  EXPECT_FALSE(state.running());
}

}  // namespace cli
