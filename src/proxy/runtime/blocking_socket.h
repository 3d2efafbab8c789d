// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "net/address.h"

namespace proxy::testing {

// A client's blocking socket, for tests that send what no client of ours would.
class Socket {
 public:
  explicit Socket(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    auto address = *net::Address::parse("127.0.0.1", port);
    EXPECT_EQ(connect(fd_, address.data(), address.size()), 0);
    const timeval limit{.tv_sec = 20, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  ~Socket() { close(fd_); }
  void write(std::string_view bytes) { ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  // Empty at the end, or where nothing came for long.
  std::string read() {
    char block[16384];
    ssize_t count = ::read(fd_, block, sizeof block);
    ended_ = count == 0;
    return count > 0 ? std::string(block, static_cast<size_t>(count)) : std::string();
  }
  std::string read_all() {
    std::string out;
    for (std::string piece; !(piece = read()).empty();) out += piece;
    return out;
  }
  bool ended() const { return ended_; }
  int fd() const { return fd_; }

 private:
  int fd_;
  bool ended_ = false;
};

}  // namespace proxy::testing
