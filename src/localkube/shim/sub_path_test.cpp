// SPDX-License-Identifier: Apache-2.0
#include "localkube/shim/sub_path.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/testing/folder.h"

namespace localkube {
namespace {

namespace fs = std::filesystem;

class SubPathTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder_ / "volume");
    fs::create_directories(folder_ / "outside");
    volume_.reset(open((folder_ / "volume").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(volume_);
  }

  mode_t mode(const std::string& path) {
    struct stat status{};
    EXPECT_EQ(stat((folder_ / path).c_str(), &status), 0) << path;
    return status.st_mode & 07777;
  }

  base::TestFolder own_;
  fs::path folder_ = own_.path();
  Fd volume_;
};

TEST_F(SubPathTest, WhatIsMissingIsMadeForAllAndWhatIsThereKeepsItsMode) {
  fs::create_directory(folder_ / "volume/a");
  ASSERT_EQ(chmod((folder_ / "volume/a").c_str(), 0750), 0);
  auto made = make_sub_path(volume_, "a/b//c");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(mode("volume/a"), 0750u);
  EXPECT_EQ(mode("volume/a/b"), 0777u);
  EXPECT_EQ(mode("volume/a/b/c"), 0777u);
  struct stat status{}, there{};
  ASSERT_EQ(fstat(made->get(), &status), 0);
  ASSERT_EQ(stat((folder_ / "volume/a/b/c").c_str(), &there), 0);
  EXPECT_EQ(status.st_ino, there.st_ino);
}

TEST_F(SubPathTest, NoLinkLeadsOutside) {
  fs::create_directory_symlink(folder_ / "outside", folder_ / "volume/link");
  ASSERT_EQ(chmod((folder_ / "outside").c_str(), 0700), 0);
  for (const char* path : {"link/made", "link", "../outside/made"}) EXPECT_FALSE(make_sub_path(volume_, path)) << path;
  EXPECT_TRUE(fs::is_empty(folder_ / "outside"));
  EXPECT_EQ(mode("outside"), 0700u);
}

// A program of the pod exchanges a directory and a link all the while.
TEST_F(SubPathTest, NothingIsMadeOutsideWhileAPodExchangesTheWay) {
  fs::create_directory(folder_ / "volume/way");
  fs::create_directory_symlink(folder_ / "outside", folder_ / "volume/link");
  std::string way = folder_ / "volume/way", link = folder_ / "volume/link";
  std::atomic<bool> stop = false;
  std::thread pod([&] {
    while (!stop) renameat2(AT_FDCWD, way.c_str(), AT_FDCWD, link.c_str(), RENAME_EXCHANGE);
  });
  int made = 0;
  for (int i = 0; i < 5000 || (made == 0 && i < 1'000'000); ++i)
    made += make_sub_path(volume_, "way/n" + std::to_string(i)).has_value();
  stop = true;
  pod.join();
  EXPECT_GT(made, 0);
  EXPECT_TRUE(fs::is_empty(folder_ / "outside"));
}

TEST_F(SubPathTest, OfNodesOwnVolumesLinksAreFollowedInsideOnly) {
  fs::create_directory(folder_ / "volume/data");
  fs::create_symlink("/data", folder_ / "volume/inside");
  fs::create_symlink(folder_ / "outside", folder_ / "volume/out");
  EXPECT_TRUE(open_sub_path(volume_, "inside"));
  EXPECT_FALSE(open_sub_path(volume_, "out"));
  EXPECT_FALSE(open_sub_path(volume_, "missing"));
  EXPECT_FALSE(fs::exists(folder_ / "volume/missing"));
}

}  // namespace
}  // namespace localkube
