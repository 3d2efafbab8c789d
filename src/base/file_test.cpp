// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace base {
namespace {

class Files : public ::testing::Test {
 protected:
  Files() { std::filesystem::create_directory(place_); }
  ~Files() override { std::filesystem::remove_all(place_); }
  const std::string place_ = testing::TempDir() + "/files" + std::to_string(getpid());
};

TEST_F(Files, OnlyFilesAreReadAndPipesWhereTheyAreWaitedFor) {
  std::ofstream(place_ + "/a") << "text";
  EXPECT_EQ(*read_file(place_ + "/a"), "text");
  EXPECT_EQ(read_file(place_ + "/none").error().kind, ErrorKind::NotFound);
  EXPECT_TRUE(read_file(place_).error().message.ends_with("it is a directory"));
  EXPECT_TRUE(read_file("/dev/zero").error().message.ends_with("it is no regular file"));
  EXPECT_FALSE(read_file("/proc/self/mem"));

  const std::string pipe = place_ + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_FALSE(read_file(pipe)) << "and it does not wait for one who writes";
  std::thread writer([&] { std::ofstream(pipe) << std::string(100'000, 'x'); });
  EXPECT_EQ(read_file(pipe, kLargestFile, Pipes::Wait)->size(), 100'000u);
  writer.join();
}

TEST_F(Files, WhatIsTooLargeIsRefused) {
  std::ofstream(place_ + "/large").close();
  std::filesystem::resize_file(place_ + "/large", kLargestFile + 1);
  EXPECT_EQ(read_file(place_ + "/large").error().kind, ErrorKind::Exhausted);
  EXPECT_EQ(read_file(place_ + "/large", 10).error().kind, ErrorKind::Exhausted);
}

}  // namespace
}  // namespace base
