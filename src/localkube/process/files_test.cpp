// SPDX-License-Identifier: Apache-2.0
#include "localkube/process/files.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/file.h"
#include "base/testing/folder.h"

namespace localkube {

TEST(Files, OneThatWasRetiredIsWrittenAgainOnAFullDisk) {
  base::TestFolder folder;
  const auto file = folder.path() / "record";
  std::thread([&] {
    ASSERT_EQ(unshare(CLONE_NEWNS), 0) << "this test needs root";
    ASSERT_EQ(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ASSERT_EQ(mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=64k"), 0);
    ASSERT_TRUE(write_file(file, "a longer text"));
    retire_file(file);
    EXPECT_FALSE(std::filesystem::exists(file));
    std::ofstream others(folder.path() / "others");
    while (others << std::string(4096, 'x') << std::flush) continue;
    EXPECT_FALSE(write_file(folder.path() / "another", "text"));
    auto written = write_file(file, "text");
    EXPECT_TRUE(written) << written.error().message;
    EXPECT_EQ(base::read_file(file).value_or(""), "text");
  }).join();
}

}  // namespace localkube
