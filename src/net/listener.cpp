// SPDX-License-Identifier: Apache-2.0
#include "net/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

// A flag on the stack outlives what is pointed at, never the reverse: GCC 12
// cannot see that the destructor is what clears the pointer.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wdangling-pointer"
#endif

namespace net {
namespace {

constexpr auto kRest = std::chrono::milliseconds(100);

base::Result<int> socket_for(const Address& address, const Listener::Options& options) {
  const int fd = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::unexpected(base::system_error("socket", errno));
  const int on = 1, v6 = options.only_ipv6 ? 1 : 0;
  const char* failed = nullptr;
  if (address.is_unix()) {
    // A path that a dead process left behind; a living one keeps its socket's inode open, unnamed.
    struct stat found{};
    if (lstat(address.ip().c_str(), &found) == 0 && S_ISSOCK(found.st_mode)) unlink(address.ip().c_str());
  } else {
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) failed = "SO_REUSEADDR";
    if (options.reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) failed = "SO_REUSEPORT";
    if (address.family() == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6, sizeof v6) != 0) {
      failed = "IPV6_V6ONLY";
    }
    if (options.transparent && setsockopt(fd, SOL_IP, IP_TRANSPARENT, &on, sizeof on) != 0) failed = "IP_TRANSPARENT";
  }
  if (!failed && bind(fd, address.data(), address.size()) != 0) failed = "bind";
  if (!failed && ::listen(fd, options.backlog) != 0) failed = "listen";
  if (!failed) return fd;
  base::Error error = base::system_error(std::string(failed) + " " + address.text(), errno);
  close(fd);
  return std::unexpected(std::move(error));
}

}  // namespace

base::Result<std::unique_ptr<Listener>> Listener::listen(Loop& loop, const Address& address, Accepted accepted,
                                                         Options options) {
  if (!address.valid()) return base::fail(base::ErrorKind::Invalid, "listen: no address");
  const int fd = TRY(socket_for(address, options));
  return adopt(loop, fd, std::move(accepted));
}

base::Result<std::unique_ptr<Listener>> Listener::adopt(Loop& loop, int fd, Accepted accepted) {
  std::unique_ptr<Listener> out(new Listener(loop, fd, std::move(accepted)));
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    return std::unexpected(base::system_error("getsockname of a listening socket", errno));
  }
  out->address_ = Address::of(reinterpret_cast<sockaddr*>(&bound), size);
  if (!out->address_.is_unix()) {
    const int on = 1;  // accepted sockets inherit it
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  TRY(loop.add(fd, EPOLLIN, *out));
  return out;
}

Listener::Listener(Loop& loop, int fd, Accepted accepted)
    : loop_(loop), fd_(fd), accepted_(std::move(accepted)), rest_(loop, [this] {
        if (!paused_) loop_.modify(fd_, EPOLLIN, *this).value();
      }) {}

Listener::~Listener() {
  if (gone_) *gone_ = true;
  loop_.remove(fd_, *this);
  close(fd_);
}

void Listener::pause() {
  paused_ = true;
  loop_.modify(fd_, 0, *this).value();
}

void Listener::resume() {
  paused_ = false;
  loop_.modify(fd_, EPOLLIN, *this).value();
}

void Listener::on_io(uint32_t) {
  bool gone = false;
  gone_ = &gone;
  for (int i = 0; i < accepts_at_once_ && !paused_; ++i) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    const int fd = accept4(fd_, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        loop_.modify(fd_, 0, *this).value();
        rest_.arm(kRest);
      }
      break;
    }
    accepted_(fd, Address::of(reinterpret_cast<sockaddr*>(&peer), size));
    if (gone) return;
  }
  gone_ = nullptr;
}

}  // namespace net
