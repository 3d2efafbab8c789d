// SPDX-License-Identifier: Apache-2.0
#include "localkube/process/files.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/file.h"
#include "base/strings.h"

namespace localkube {

base::Result<void> write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t n = write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(base::system_error("write", errno));
    text.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

static std::string draft_of(const std::filesystem::path& path) { return path.string() + ".new"; }

void retire_file(const std::filesystem::path& path) { rename(path.c_str(), draft_of(path).c_str()); }

base::Result<void> write_file(const std::filesystem::path& path, std::string_view text, mode_t mode, Durable durable) {
  std::string draft = draft_of(path);
  Fd file(open(draft.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!file) return std::unexpected(base::system_error("create " + draft, errno));
  if (fchmod(file.get(), mode) != 0) return std::unexpected(base::system_error("chmod " + draft, errno));
  auto written = write_all(file.get(), text);
  if (!written) return written;
  if (ftruncate(file.get(), static_cast<off_t>(text.size())) != 0)
    return std::unexpected(base::system_error("truncate " + draft, errno));
  if (durable == Durable::Yes && fsync(file.get()) != 0)
    return std::unexpected(base::system_error("fsync " + draft, errno));
  if (rename(draft.c_str(), path.c_str()) != 0)
    return std::unexpected(base::system_error("rename to " + path.string(), errno));
  return {};
}

base::Result<void> make_directory(const std::filesystem::path& path, mode_t mode) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return std::unexpected(base::system_error("mkdir " + path.string(), error.value()));
  if (chmod(path.c_str(), mode) != 0) return std::unexpected(base::system_error("chmod " + path.string(), errno));
  return {};
}

base::Result<std::pair<Fd, Fd>> make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::unexpected(base::system_error("pipe", errno));
  return std::pair(Fd(ends[0]), Fd(ends[1]));
}

base::Result<Fd> listen_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return base::fail(base::ErrorKind::Invalid, "socket path too long: " + path);
  path.copy(address.sun_path, path.size());
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  unlink(path.c_str());
  if (!socket || bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      chmod(path.c_str(), 0600) != 0 || listen(socket.get(), 128) != 0)
    return std::unexpected(base::system_error("listen at " + path, errno));
  return socket;
}

void set_blocking(int fd, bool blocking) {
  int flags = fcntl(fd, F_GETFL);
  fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

void keep_across_exec(int fd) { fcntl(fd, F_SETFD, 0); }

std::optional<uint64_t> start_time(pid_t pid) {
  auto stat = base::read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
  if (!stat) return std::nullopt;
  // Field 22, counted after the command's closing parenthesis, which is field 2.
  size_t close = stat->rfind(')');
  if (close == stat->npos || close + 2 > stat->size()) return std::nullopt;
  auto fields = base::split(std::string_view(*stat).substr(close + 2), ' ');
  if (fields.size() < 20 || fields[0] == "Z" || fields[0] == "X") return std::nullopt;
  return base::parse_number<uint64_t>(fields[19]);
}

}  // namespace localkube
