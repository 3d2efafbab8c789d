// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "proxy/access/access_log.h"

namespace proxy {
namespace {

class LogFileTest : public ::testing::Test {
 protected:
  LogFileTest() {
    std::signal(SIGPIPE, SIG_IGN);
    std::filesystem::create_directories(directory_);
  }
  ~LogFileTest() override { std::filesystem::remove_all(directory_); }
  std::string fifo() {
    EXPECT_EQ(mkfifo(path_.c_str(), 0600), 0);
    return path_;
  }
  static std::string contents(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // What comes, until it is so much or ten seconds pass without any.
  static std::string read_from(int fd, size_t size) {
    std::string out(size, '\0');
    size_t got = 0;
    pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
    while (got < size && poll(&ready, 1, 10'000) == 1) {
      const ssize_t n = read(fd, out.data() + got, size - got);
      if (n <= 0) break;
      got += static_cast<size_t>(n);
    }
    out.resize(got);
    return out;
  }
  static double seconds(auto call) {
    const auto before = std::chrono::steady_clock::now();
    call();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
  }
  const std::string directory_ = ::testing::TempDir() + "log-file-" + std::to_string(getpid());
  const std::string path_ = directory_ + "/log";
};

TEST_F(LogFileTest, AllLinesAreThereInOrderOnceItIsGone) {
  auto log = *LogFile::open(path_);
  std::string expected;
  for (int i = 0; i < 20'000; ++i) {
    const std::string line = "line " + std::to_string(i) + "\n";
    log->write(line);
    expected += line;
  }
  log.reset();
  EXPECT_TRUE(contents(path_) == expected);
}

TEST_F(LogFileTest, AReaderThatStallsCostsLinesAndNobodysTime) {
  auto log = *LogFile::open(fifo());
  const int reader = open(path_.c_str(), O_RDONLY | O_NONBLOCK);
  std::string line(1000, 'x');
  line.back() = '\n';
  log->write("first\n");
  EXPECT_LT(seconds([&] {
              for (int i = 0; i < 20'000; ++i) log->write(line);
            }),
            5);
  EXPECT_GT(log->dropped(), 1'000u);
  EXPECT_LT(log->dropped(), 20'000u);
  EXPECT_EQ(read_from(reader, 6), "first\n");
  EXPECT_EQ(read_from(reader, line.size()), line);
  EXPECT_LT(seconds([&] { log.reset(); }), 5) << "nor does it keep the process from ending";
  close(reader);
}

TEST_F(LogFileTest, AFifoThatNobodyReadsYetIsWaitedForByItsLinesAlone) {
  std::shared_ptr<LogFile> log;
  EXPECT_LT(seconds([&] {
              log = *LogFile::open(fifo());
              log->write("one\n");
              log->write("two\n");
            }),
            5);
  const int reader = open(path_.c_str(), O_RDONLY | O_NONBLOCK);
  // A read before the writer is there finds an end.
  std::string got;
  for (int i = 0; i < 1000 && got.size() < 8; ++i, usleep(5'000)) got += read_from(reader, 8 - got.size());
  EXPECT_EQ(got, "one\ntwo\n");
  log.reset();
  close(reader);
}

TEST_F(LogFileTest, OpenedAnewItGoesOnWhereItsNameLeads) {
  auto log = *LogFile::open(path_);
  log->write("before\n");
  for (int i = 0; i < 1000 && contents(path_).empty(); ++i) usleep(5'000);
  std::filesystem::rename(path_, path_ + ".1");
  ASSERT_TRUE(log->reopen());
  log->write("after\n");
  log.reset();
  EXPECT_EQ(contents(path_ + ".1"), "before\n");
  EXPECT_EQ(contents(path_), "after\n");
}

TEST_F(LogFileTest, OpenedAnewWhereAFifoIsThatNobodyReadsItKeepsNobodyWaiting) {
  auto log = *LogFile::open(path_);
  log->write("before\n");
  for (int i = 0; i < 1000 && contents(path_).empty(); ++i) usleep(5'000);
  std::filesystem::remove(path_);
  fifo();
  EXPECT_LT(seconds([&] {
              EXPECT_TRUE(log->reopen());
              log->write("after\n");
              log.reset();
            }),
            5);
}

TEST_F(LogFileTest, WhatCannotBeOpenedIsAnError) { EXPECT_FALSE(LogFile::open(directory_ + "/no/such/log")); }

}  // namespace
}  // namespace proxy
