// SPDX-License-Identifier: Apache-2.0
#include "localkube/runtime/log_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "localkube/api/kinds/document.h"
#include "localkube/process/files.h"
#include "localkube/shim/log_writer.h"

namespace localkube {
namespace {

using Stream = LogWriter::Stream;

class Logs : public testing::Test {
 protected:
  Logs() : path(std::filesystem::temp_directory_path() / ("logs_test." + std::to_string(getpid()))) {}
  ~Logs() override {
    std::filesystem::remove(path);
    std::filesystem::remove(path + ".1");
  }

  std::string read(PodStreams::LogOptions options, std::function<bool()> ended = [] { return true; }) {
    net::Loop loop;
    net::Queue<std::string> queue;
    net::run_to_end(loop, send_log(loop, {.path = path, .options = options, .ended = std::move(ended)}, queue));
    return gather(loop, queue);
  }
  static net::Task<std::string> all(net::Queue<std::string> queue) {
    std::string text;
    for (;;) {
      auto piece = co_await queue.next();
      if (!piece) break;
      text += *piece;
    }
    co_return text;
  }
  static std::string gather(net::Loop& loop, net::Queue<std::string> queue) {
    return net::run_to_end(loop, all(queue));
  }

  std::string path;
};

TEST_F(Logs, WhatWasWrittenIsReadLineByLine) {
  LogWriter writer(path);
  writer.write(Stream::Out, "one\ntw");
  writer.write(Stream::Err, "bad\n");
  writer.write(Stream::Out, "o\n");
  EXPECT_EQ(read({}), "one\nbad\ntwo\n");
  EXPECT_EQ(read({.tail_lines = 1}), "two\n");
  EXPECT_EQ(read({.limit_bytes = 5}), "one\nb");
  EXPECT_EQ(read({.tail_lines = 0}), "");
}

TEST_F(Logs, ALineWithoutAnEndIsShownOnceTheProgramIsGone) {
  LogWriter writer(path);
  writer.write(Stream::Out, "no end");
  EXPECT_EQ(read({}), "");
  writer.finish();
  EXPECT_EQ(read({}), "no end");
}

TEST_F(Logs, AVeryLongLineComesBackInOnePiece) {
  LogWriter writer(path);
  std::string line(100'000, 'x');
  writer.write(Stream::Out, line + "\n");
  EXPECT_EQ(read({}), line + "\n");
}

TEST_F(Logs, FollowingGoesOnUntilNothingMoreComes) {
  LogWriter writer(path);
  writer.write(Stream::Out, "one\n");
  int asked = 0;
  std::string text = read({.follow = true}, [&] {
    if (++asked == 3) writer.write(Stream::Out, "two\n");
    return asked > 3;
  });
  EXPECT_EQ(text, "one\ntwo\n");
}

TEST_F(Logs, ASecondAgoIsMeantToTheFractionAndATimeFromItsBeginning) {
  int64_t now = time(nullptr);
  auto line = [](int64_t second, const char* text) {
    std::string stamp = time_text(second);
    stamp.pop_back();
    return stamp + ".500000000Z stdout F " + text + "\n";
  };
  ASSERT_TRUE(write_file(path, line(now - 100, "old") + line(now - 50, "middle") + line(now - 1, "new")));
  EXPECT_EQ(read({.since_time = now - 50}), "middle\nnew\n");
  EXPECT_EQ(read({.since_time = now - 49}), "new\n");
  EXPECT_EQ(read({.since_seconds = 30}), "new\n");
  LogWriter(path).write(Stream::Out, "right now\n");
  EXPECT_THAT(read({.since_seconds = 1}), testing::HasSubstr("right now"));
}

TEST_F(Logs, TimesHaveNanoseconds) {
  LogWriter(path).write(Stream::Out, "x\n");
  std::string text = read({.timestamps = true});
  EXPECT_EQ(text.size(), std::string_view("2026-01-02T03:04:05.678901234Z x\n").size());
}

}  // namespace
}  // namespace localkube
