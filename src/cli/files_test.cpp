// SPDX-License-Identifier: Apache-2.0
#include "cli/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "base/testing/folder.h"

namespace cli {

TEST(Files, StandardInputThatNeverEndsIsRefusedAtItsLimit) {
  int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
  auto text = read_open(zero, "standard input");
  close(zero);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().message, "cannot read standard input: it has more than 16777216 bytes");
}

TEST(Files, ADeviceEndsTheCommand) {
  EXPECT_EXIT(read_all("/dev/zero"), testing::ExitedWithCode(1), "cannot read /dev/zero: it is no regular file");
}

TEST(Files, APipeIsReadToItsEnd) {
  base::TestFolder folder;
  std::string pipe = (folder.path() / "pipe").string(), sent(200'000, 'x');
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] {
    int fd = open(pipe.c_str(), O_WRONLY | O_CLOEXEC);
    for (size_t at = 0; at < sent.size();) {
      ssize_t n = write(fd, sent.data() + at, sent.size() - at);
      if (n <= 0) break;
      at += static_cast<size_t>(n);
    }
    close(fd);
  });
  std::string got = read_all(pipe);
  writer.join();
  EXPECT_EQ(got.size(), sent.size());
}

}  // namespace cli
