// SPDX-License-Identifier: Apache-2.0
#include "proxy/listener/socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace proxy {
namespace {

constexpr int kMultipathTcp = 262;  // IPPROTO_MPTCP, which Debian 12's headers do not all have

// What failed, or nullptr.
const char* set_options(int fd, const SocketSpec& spec, SocketOption::When when) {
  for (const SocketOption& option : spec.options)
    if (option.when == when && setsockopt(fd, option.level, option.name, option.value.data(),
                                          static_cast<socklen_t>(option.value.size())) != 0)
      return "set a socket option on";
  return nullptr;
}

const char* prepare(int fd, const SocketSpec& spec, bool shared) {
  const int on = 1, v6_only = spec.ipv4_too ? 0 : 1;
  const net::Address& address = spec.address;
  if (address.is_unix()) {
    struct stat found{};  // what a dead process left behind
    if (lstat(address.ip().c_str(), &found) == 0 && S_ISSOCK(found.st_mode)) unlink(address.ip().c_str());
    return set_options(fd, spec, SocketOption::When::BeforeBind);
  }
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // Only where it is needed: it also lets another process share the port unnoticed.
  if (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) return "share";
  if (address.family() == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only) != 0)
    return "choose IP versions of";
  if (spec.transparent && setsockopt(fd, SOL_IP, IP_TRANSPARENT, &on, sizeof on) != 0) return "be transparent on";
  if (spec.freebind && setsockopt(fd, SOL_IP, IP_FREEBIND, &on, sizeof on) != 0) return "bind freely";
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return set_options(fd, spec, SocketOption::When::BeforeBind);
}

base::Result<int> open_one(const SocketSpec& spec, const net::Address& address, bool shared) {
  const int protocol = spec.multipath && !address.is_unix() ? kMultipathTcp : 0;
  int fd = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  if (fd < 0) return std::unexpected(base::system_error("socket", errno));
  const char* failed = prepare(fd, spec, shared);
  if (!failed && bind(fd, address.data(), address.size()) != 0) failed = "bind";
  if (!failed && address.is_unix() && spec.mode && chmod(address.ip().c_str(), spec.mode) != 0)
    failed = "set the mode of";
  if (!failed) failed = set_options(fd, spec, SocketOption::When::Bound);
  if (!failed && spec.fast_open &&
      setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &spec.fast_open, sizeof spec.fast_open) != 0)
    failed = "open fast on";
  if (!failed && listen(fd, spec.backlog) != 0) failed = "listen on";
  if (!failed) failed = set_options(fd, spec, SocketOption::When::Listening);
  if (!failed) return fd;
  auto error = base::system_error(std::string("cannot ") + failed + " '" + address.text() + "'", errno);
  close(fd);
  return std::unexpected(std::move(error));
}

}  // namespace

base::Result<std::vector<int>> open_listening(const SocketSpec& spec, unsigned workers, std::vector<int> inherited) {
  std::vector<int> out = std::move(inherited);
  net::Address at = spec.address;
  const bool separate = spec.reuse_port && !at.is_unix();
  // A socket that was not opened for sharing cannot be joined by another: then all use that one.
  int sharing = 0;
  socklen_t size = sizeof sharing;
  if (!out.empty() && separate) getsockopt(out[0], SOL_SOCKET, SO_REUSEPORT, &sharing, &size);
  const bool join = separate && (out.empty() || sharing);
  while (out.size() < workers) {
    base::Result<int> fd =
        !out.empty() && !join ? fcntl(out[0], F_DUPFD_CLOEXEC, 3) : open_one(spec, at, separate && workers > 1);
    if (fd && *fd < 0) fd = std::unexpected(base::system_error("dup", errno));
    if (!fd) {
      for (int open : out) close(open);
      return std::unexpected(std::move(fd.error()));
    }
    out.push_back(*fd);
    if (at.is_unix() || at.port() != 0) continue;
    sockaddr_storage bound{};  // the others take the port that this one was given
    socklen_t length = sizeof bound;
    if (getsockname(*fd, reinterpret_cast<sockaddr*>(&bound), &length) == 0)
      at = net::Address::of(reinterpret_cast<sockaddr*>(&bound), length);
  }
  return out;
}

}  // namespace proxy
