// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/read_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "proxy/runtime/bootstrap.h"
#include "proxy/runtime/compile.h"

namespace proxy {
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
  EXPECT_EQ(read_file(place_ + "/none").error().kind, base::ErrorKind::NotFound);
  EXPECT_TRUE(read_file(place_).error().message.ends_with("it is a directory"));
  EXPECT_TRUE(read_file("/dev/zero").error().message.ends_with("it is no regular file"));
  EXPECT_FALSE(read_file("/proc/self/mem"));

  const std::string pipe = place_ + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_FALSE(read_file(pipe)) << "and it does not wait for one who writes";
  std::thread writer([&] { std::ofstream(pipe) << std::string(100'000, 'x'); });
  EXPECT_EQ(read_file(pipe, Pipes::Wait)->size(), 100'000u);
  writer.join();
}

TEST_F(Files, WhatIsTooLargeIsRefused) {
  std::ofstream(place_ + "/large").close();
  std::filesystem::resize_file(place_ + "/large", kLargestFile + 1);
  EXPECT_EQ(read_file(place_ + "/large").error().kind, base::ErrorKind::Exhausted);
  core::DataSource source;
  source.set_filename(place_ + "/large");
  EXPECT_EQ(compile(source).error().kind, base::ErrorKind::Exhausted);
  EXPECT_FALSE(read_bootstrap(place_, UnknownFields::Refuse)) << "a directory";
}

TEST_F(Files, AnErrorDoesNotRepeatAllOfARegularExpression) {
  auto regex = compile_regex(std::string(300'000, '('));
  ASSERT_FALSE(regex);
  EXPECT_LT(regex.error().message.size(), 1000u);
  EXPECT_TRUE(regex.error().message.contains("(300000 bytes)")) << regex.error().message;
}

}  // namespace
}  // namespace proxy
