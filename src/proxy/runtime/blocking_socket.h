// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

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

// A socket that listens on a free port of this machine; `port`: which.
inline int listen_anywhere(uint16_t& port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto any = *net::Address::parse("127.0.0.1", 0);
  EXPECT_EQ(bind(fd, any.data(), any.size()), 0);
  EXPECT_EQ(listen(fd, 16), 0);
  sockaddr_in bound{};
  socklen_t size = sizeof bound;
  getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size);
  port = ntohs(bound.sin_port);
  return fd;
}

// A server that takes one connection, sends these bytes, and remembers what it got until the peer went.
class RawServer {
 public:
  enum class Then : uint8_t { Ends, Waits };  // for the peer's end
  explicit RawServer(std::string answer, Then then = Then::Ends) : fd_(listen_anywhere(port_)) {
    thread_ = std::thread([this, then, answer = std::move(answer)] {
      int peer = accept(fd_, nullptr, nullptr);
      if (peer < 0) return;
      char bytes[4096];
      ssize_t count = recv(peer, bytes, sizeof bytes, 0);
      if (count > 0) got_.append(bytes, static_cast<size_t>(count));
      send(peer, answer.data(), answer.size(), MSG_NOSIGNAL);
      if (then == Then::Ends) ::shutdown(peer, SHUT_WR);
      while ((count = recv(peer, bytes, sizeof bytes, 0)) > 0) got_.append(bytes, static_cast<size_t>(count));
      ::close(peer);
    });
  }
  ~RawServer() {
    ::shutdown(fd_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    ::close(fd_);
  }
  std::string port() const { return std::to_string(port_); }
  const std::string& got() {
    thread_.join();
    return got_;
  }

 private:
  uint16_t port_ = 0;
  int fd_;
  std::string got_;
  std::thread thread_;
};

}  // namespace proxy::testing
