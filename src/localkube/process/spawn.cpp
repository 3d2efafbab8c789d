// SPDX-License-Identifier: Apache-2.0
#include "localkube/process/spawn.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "localkube/process/signals.h"

namespace localkube {

static void become(const Spawn& spawn, char** argv) {
  if (spawn.life == Spawn::Life::EndsWithParent) prctl(PR_SET_PDEATHSIG, SIGKILL);
  int next = 3;
  std::vector<int> high;  // out of the way of the numbers they shall get
  for (int fd : spawn.fds) high.push_back(fcntl(fd, F_DUPFD, 64));
  for (int fd : high) dup2(fd, next++);
  close_range(static_cast<unsigned>(next), ~0u, 0);
  unblock_signals();
  execv("/proc/self/exe", argv);
  _exit(127);
}

base::Result<pid_t> spawn_self(const Spawn& spawn) {
  std::vector<std::string> words = spawn.argv;
  words.insert(words.begin(), "seine-localkube");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  auto flags = static_cast<unsigned long>(spawn.namespaces) | SIGCHLD;
  long pid = syscall(SYS_clone, flags, nullptr, nullptr, nullptr, nullptr);  // as fork(), into new namespaces
  if (pid < 0) return std::unexpected(base::system_error("start a process in new namespaces", errno));
  if (pid == 0) become(spawn, argv.data());
  return static_cast<pid_t>(pid);
}

base::Result<void> own_mounts_and_proc() {
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return std::unexpected(base::system_error(errno == EINVAL
                                                  ? "make mounts private: / is no mount point, as in a bare "
                                                    "chroot (mount --bind DIR DIR before chroot DIR)"
                                                  : "make mounts private",
                                              errno));
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)
    return std::unexpected(base::system_error("mount /proc", errno));
  return {};
}

}  // namespace localkube
