// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "samples/tools/tools.h"

namespace samples {
namespace {

bool write_all(int fd, const char* bytes, size_t size) {
  while (size > 0) {
    ssize_t n = write(fd, bytes, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

// Standard input to the peer and the peer to standard output, until the peer has
// said all. The end of the input is passed on; after it `patience` counts (-1: none).
int relay(int peer, int patience) {
  char block[16384];
  bool input = true;
  for (;;) {
    pollfd fds[] = {{peer, POLLIN, 0}, {input ? STDIN_FILENO : -1, POLLIN, 0}};
    int ready = poll(fds, 2, patience);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return 1;
    if (fds[0].revents != 0) {
      ssize_t n = read(peer, block, sizeof block);
      if (n <= 0) return n < 0;
      if (!write_all(STDOUT_FILENO, block, static_cast<size_t>(n))) return 1;
    }
    if (fds[1].revents != 0) {
      ssize_t n = read(STDIN_FILENO, block, sizeof block);
      input = n > 0;
      if (!input) shutdown(peer, SHUT_WR);
      if (input && !write_all(peer, block, static_cast<size_t>(n))) return 1;
    }
  }
}

// A connected socket, or -1 and errno.
int connect_within(const addrinfo& to, int milliseconds) {
  int fd = socket(to.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  int error = connect(fd, to.ai_addr, to.ai_addrlen) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    pollfd wait{fd, POLLOUT, 0};
    socklen_t size = sizeof error;
    error = ETIMEDOUT;
    if (poll(&wait, 1, milliseconds) == 1) getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  }
  if (error == 0) {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
  }
  close(fd);
  errno = error;
  return -1;
}

int listen_once(int port, int patience) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in at{.sin_family = AF_INET, .sin_port = htons(static_cast<uint16_t>(port)), .sin_addr = {}, .sin_zero = {}};
  if (bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 || listen(fd, 1) != 0)
    return std::fprintf(stderr, "nc: port %d: %s\n", port, std::strerror(errno)), 1;
  int peer = accept4(fd, nullptr, nullptr, SOCK_CLOEXEC);
  if (peer < 0) return std::fprintf(stderr, "nc: accept: %s\n", std::strerror(errno)), 1;
  return relay(peer, patience);
}

}  // namespace

int nc(const std::vector<std::string>& words) {
  auto line = command_line("zvw:lp:n", words);
  bool listens = line && line->has('l');
  if (!line || (!listens && line->rest.size() != 2))
    return std::fprintf(stderr,
                        "usage: nc [-zv] [-w SECONDS] HOST PORT\n       nc -l -p PORT\n"
                        "(a stand-in: install netcat on this machine for more)\n"),
           1;
  std::string seconds = line->value('w', "");
  int patience = seconds.empty() ? -1 : std::atoi(seconds.c_str()) * 1000;
  if (listens)
    return listen_once(std::atoi(line->value('p', line->rest.empty() ? "0" : line->rest[0]).c_str()), patience);
  const std::string &host = line->rest[0], &port = line->rest[1];
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (int failed = getaddrinfo(host.c_str(), port.c_str(), &hints, &found); failed != 0)
    return std::fprintf(stderr, "nc: %s: %s\n", host.c_str(), gai_strerror(failed)), 1;
  int peer = -1;
  for (const addrinfo* to = found; to && peer < 0; to = to->ai_next) peer = connect_within(*to, patience);
  freeaddrinfo(found);
  if (peer < 0) return std::fprintf(stderr, "nc: %s (%s): %s\n", host.c_str(), port.c_str(), std::strerror(errno)), 1;
  if (line->has('v')) std::fprintf(stderr, "%s (%s) open\n", host.c_str(), port.c_str());
  return line->has('z') ? 0 : relay(peer, patience);
}

}  // namespace samples
