// SPDX-License-Identifier: Apache-2.0
#include "proxy/listener/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace proxy {

static base::Result<int> open_one(const net::Address& address, bool shared, bool transparent) {
  int fd = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::unexpected(base::system_error("socket", errno));
  auto refuse = [&](const char* what) {
    auto error = base::system_error(std::string("cannot ") + what + " '" + address.text() + "'", errno);
    close(fd);
    return std::unexpected(std::move(error));
  };
  const int on = 1;
  if (!address.is_unix()) {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    // Only where it is needed: it also lets another process share the port unnoticed.
    if (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) return refuse("share");
    if (transparent && setsockopt(fd, SOL_IP, IP_TRANSPARENT, &on, sizeof on) != 0) return refuse("be transparent on");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  } else {
    unlink(address.ip().c_str());
  }
  if (bind(fd, address.data(), address.size()) != 0) return refuse("bind");
  if (listen(fd, 4096) != 0) return refuse("listen on");
  return fd;
}

base::Result<std::vector<int>> open_listening(const net::Address& address, unsigned workers, bool transparent) {
  std::vector<int> out;
  net::Address at = address;
  for (unsigned i = 0; i < workers; ++i) {
    auto fd = open_one(at, workers > 1, transparent);
    if (!fd) {
      for (int open : out) close(open);
      return std::unexpected(std::move(fd.error()));
    }
    out.push_back(*fd);
    if (at.is_unix()) break;
    if (at.port() == 0) {  // the others take the port that this one was given
      sockaddr_storage bound{};
      socklen_t size = sizeof bound;
      if (getsockname(*fd, reinterpret_cast<sockaddr*>(&bound), &size) == 0)
        at = net::Address::of(reinterpret_cast<sockaddr*>(&bound), size);
    }
  }
  return out;
}

}  // namespace proxy
