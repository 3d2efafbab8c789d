// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace base {

static constexpr int kPatience = 10'000;  // milliseconds that a pipe may be silent

static Result<std::string> read_open(int fd, const std::string& path, size_t most, Pipes pipes) {
  struct stat facts{};
  if (fstat(fd, &facts) != 0) return std::unexpected(system_error("cannot read " + path, errno));
  const bool pipe = S_ISFIFO(facts.st_mode);
  if (S_ISDIR(facts.st_mode)) return fail(ErrorKind::Invalid, "cannot read " + path + ": it is a directory");
  if (!S_ISREG(facts.st_mode) && !(pipe && pipes == Pipes::Wait))
    return fail(ErrorKind::Invalid, "cannot read " + path + ": it is no regular file");
  std::string out;
  for (;;) {
    if (pollfd ready{.fd = fd, .events = POLLIN, .revents = 0}; pipe && poll(&ready, 1, kPatience) == 0)
      return fail(ErrorKind::Timeout, "cannot read " + path + ": nobody writes into the pipe");
    char block[64 * 1024];
    const ssize_t count = read(fd, block, sizeof block);
    if (count == 0) return out;
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) return std::unexpected(system_error("cannot read " + path, errno));
    out.append(block, static_cast<size_t>(count));
    if (out.size() > most)
      return fail(ErrorKind::Exhausted,
                  "cannot read " + path + ": it has more than " + std::to_string(most) + " bytes");
  }
}

Result<std::string> read_file(const std::string& path, size_t most, Pipes pipes) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0 && errno == ENOENT) return fail(ErrorKind::NotFound, "cannot read " + path + ": no such file");
  if (fd < 0) return std::unexpected(system_error("cannot read " + path, errno));
  auto out = read_open(fd, path, most, pipes);
  close(fd);
  return out;
}

}  // namespace base
