// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/read_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace proxy {

static constexpr int kPatience = 10'000;  // milliseconds that a pipe may be silent

static base::Result<std::string> read_open(int fd, const std::string& path, Pipes pipes) {
  struct stat facts{};
  if (fstat(fd, &facts) != 0) return std::unexpected(base::system_error("cannot read " + path, errno));
  const bool pipe = S_ISFIFO(facts.st_mode);
  if (S_ISDIR(facts.st_mode))
    return base::fail(base::ErrorKind::Invalid, "cannot read " + path + ": it is a directory");
  if (!S_ISREG(facts.st_mode) && !(pipe && pipes == Pipes::Wait))
    return base::fail(base::ErrorKind::Invalid, "cannot read " + path + ": it is no regular file");
  std::string out;
  for (;;) {
    if (pollfd ready{.fd = fd, .events = POLLIN, .revents = 0}; pipe && poll(&ready, 1, kPatience) == 0)
      return base::fail(base::ErrorKind::Timeout, "cannot read " + path + ": nobody writes into the pipe");
    char block[64 * 1024];
    const ssize_t count = read(fd, block, sizeof block);
    if (count == 0) return out;
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) return std::unexpected(base::system_error("cannot read " + path, errno));
    out.append(block, static_cast<size_t>(count));
    if (out.size() > kLargestFile)
      return base::fail(base::ErrorKind::Exhausted, "cannot read " + path + ": it has more than 64 MiB");
  }
}

base::Result<std::string> read_file(const std::string& path, Pipes pipes) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0 && errno == ENOENT) return base::fail(base::ErrorKind::NotFound, "cannot read " + path);
  if (fd < 0) return std::unexpected(base::system_error("cannot read " + path, errno));
  auto out = read_open(fd, path, pipes);
  close(fd);
  return out;
}

std::string shortened(std::string_view text, size_t most) {
  if (text.size() <= most) return std::string(text);
  return std::string(text.substr(0, most)) + "... (" + std::to_string(text.size()) + " bytes)";
}

}  // namespace proxy
