// SPDX-License-Identifier: Apache-2.0
#include "localkube/shim/sub_path.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/strings.h"

namespace localkube {
namespace {

base::Error failure(std::string_view sub_path, int why) {
  return base::system_error("open subPath " + std::string(sub_path), why);
}

// One name of a directory, never what a link of that name points to.
Fd child(int directory, const std::string& name) {
  return Fd(openat(directory, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

// With the mode it shall have at once: a mode that is set later could meet
// another directory that was put there meanwhile.
int make_child(int directory, const std::string& name) {
  mode_t before = umask(0);
  int made = mkdirat(directory, name.c_str(), 0777);
  int why = errno;
  umask(before);
  return made == 0 || why == EEXIST ? 0 : why;
}

}  // namespace

base::Result<Fd> make_sub_path(const Fd& volume, std::string_view sub_path) {
  Fd at(openat(volume.get(), ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!at) return std::unexpected(failure(sub_path, errno));
  for (std::string_view step : base::split(sub_path, '/')) {
    if (step.empty() || step == ".") continue;
    if (step == "..") return base::fail(base::ErrorKind::Invalid, "subPath " + std::string(sub_path) + " contains ..");
    std::string name(step);
    Fd next = child(at.get(), name);
    if (!next && errno == ENOENT) {
      if (int why = make_child(at.get(), name)) return std::unexpected(failure(sub_path, why));
      next = child(at.get(), name);
    }
    struct stat status{};
    if (!next || fstat(next.get(), &status) != 0) return std::unexpected(failure(sub_path, errno));
    if (S_ISLNK(status.st_mode))
      return base::fail(base::ErrorKind::Invalid,
                        "subPath " + std::string(sub_path) + " leads through a symbolic link");
    at = std::move(next);
  }
  return at;
}

base::Result<Fd> open_sub_path(const Fd& volume, std::string_view sub_path) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT;
  std::string path(sub_path);
  Fd found(static_cast<int>(syscall(SYS_openat2, volume.get(), path.c_str(), &how, sizeof how)));
  if (!found) return std::unexpected(failure(sub_path, errno));
  return found;
}

}  // namespace localkube
