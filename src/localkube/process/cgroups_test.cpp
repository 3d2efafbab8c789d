// SPDX-License-Identifier: Apache-2.0
#include "localkube/process/cgroups.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/testing/folder.h"
#include "localkube/process/files.h"

namespace localkube {
namespace {

namespace fs = std::filesystem;

// A tree of plain files that stands in for the kernel's.
class CgroupsTest : public testing::Test {
 protected:
  void file(const std::string& path, const std::string& text = "") {
    ASSERT_TRUE(make_directory((root_ / path).parent_path()));
    ASSERT_TRUE(write_file(root_ / path, text));
  }
  std::string text(const std::string& path) { return base::read_file(root_ / path).value_or("(none)"); }

  base::TestFolder own_;
  fs::path root_ = own_.path();
};

TEST_F(CgroupsTest, Version2LimitsBelowTheNearestGroupThatMayHaveLimitedChildren) {
  file("cgroup.controllers", "cpu memory\n");
  file("cgroup.subtree_control", "cpu memory\n");
  file("user/cgroup.controllers", "cpu memory pids\n");
  file("user/cgroup.subtree_control", "cpu memory pids\n");
  file("user/session/cgroup.controllers", "");  // holds processes
  file("user/seine/cgroup.subtree_control", "memory cpu pids\n");
  for (const char* name : {"memory.max", "memory.swap.max", "memory.oom.group", "cpu.max", "pids.max"})
    file(std::string("user/seine/pod.c.0/") + name);
  Cgroups cgroups = Cgroups::open("seine", root_, "0::/user/session\n");
  ASSERT_TRUE(cgroups.limits_memory() && cgroups.limits_cpu() && cgroups.limits_processes());
  EXPECT_EQ(cgroups.own(), std::vector<fs::path>{root_ / "user/seine"});
  auto joining = cgroups.make("pod.c.0", {.bytes = 16 << 20, .milli_cpus = 250, .processes = 7});
  ASSERT_TRUE(joining) << joining.error().message;
  EXPECT_EQ(*joining, std::vector<std::string>{(root_ / "user/seine/pod.c.0/cgroup.procs").string()});
  EXPECT_EQ(text("user/seine/pod.c.0/memory.max"), "16777216");
  EXPECT_EQ(text("user/seine/pod.c.0/memory.swap.max"), "0");
  EXPECT_EQ(text("user/seine/pod.c.0/memory.oom.group"), "1");
  EXPECT_EQ(text("user/seine/pod.c.0/cpu.max"), "25000 100000");
  EXPECT_EQ(text("user/seine/pod.c.0/pids.max"), "7");
  EXPECT_FALSE(cgroups.ran_out_of_memory("pod.c.0"));
  file("user/seine/pod.c.0/memory.events", "low 0\noom 1\noom_kill 1\n");
  EXPECT_TRUE(cgroups.ran_out_of_memory("pod.c.0"));
}

TEST_F(CgroupsTest, Version1LimitsBelowItsOwnGroup) {
  file("unified/cgroup.controllers", "hugetlb\n");
  file("memory/a/seine/memory.limit_in_bytes");
  file("memory/a/seine/p/memory.limit_in_bytes");
  file("memory/a/seine/p/memory.oom_control", "under_oom 0\noom_kill 2\n");
  file("cpu/seine/cpu.cfs_quota_us");
  file("cpu/seine/p/cpu.cfs_quota_us");
  file("cpu/seine/p/cpu.cfs_period_us");
  file("pids/seine/pids.max");
  file("pids/seine/p/pids.max");
  Cgroups cgroups = Cgroups::open("seine", root_, "8:pids:/\n5:memory:/a\n4:cpu,cpuacct:/\n0::/\n");
  auto joining = cgroups.make("p", {.bytes = 4096, .milli_cpus = 1, .processes = 7});
  ASSERT_TRUE(joining) << joining.error().message;
  EXPECT_EQ(joining->size(), 3u);
  EXPECT_EQ(text("pids/seine/p/pids.max"), "7");
  EXPECT_EQ(text("memory/a/seine/p/memory.limit_in_bytes"), "4096");
  EXPECT_EQ(text("cpu/seine/p/cpu.cfs_quota_us"), "1000") << "the least that the kernel takes";
  EXPECT_TRUE(cgroups.ran_out_of_memory("p"));
}

TEST_F(CgroupsTest, Version2LimitsProcessesAlsoWhereItDoesNotOfferMemory) {
  file("cgroup.controllers", "pids\n");
  file("cgroup.subtree_control", "pids\n");
  file("seine/cgroup.subtree_control", "pids\n");
  file("seine/p/pids.max");
  Cgroups cgroups = Cgroups::open("seine", root_, "0::/\n");
  EXPECT_TRUE(cgroups.limits_processes());
  EXPECT_FALSE(cgroups.limits_memory() || cgroups.limits_cpu());
  ASSERT_TRUE(cgroups.make("p", {.processes = 7}));
  EXPECT_EQ(text("seine/p/pids.max"), "7");
}

TEST_F(CgroupsTest, WhereNothingMayBeWrittenNothingIsLimited) {
  file("cgroup.controllers", "cpu\n");
  file("cgroup.subtree_control", "cpu\n");
  Cgroups cgroups = Cgroups::open("seine", root_, "0::/\n");
  EXPECT_FALSE(cgroups.limits_memory() || cgroups.limits_cpu() || cgroups.limits_processes());
  EXPECT_FALSE(fs::exists(root_ / "seine"));
}

TEST_F(CgroupsTest, AClustersGroupsGoWithAllThatIsInThem) {
  fs::create_directories(root_ / "seine/a");
  fs::create_directories(root_ / "seine/b");
  Cgroups::remove_all({root_ / "seine", root_ / "never"});
  EXPECT_FALSE(fs::exists(root_ / "seine"));
}

}  // namespace
}  // namespace localkube
