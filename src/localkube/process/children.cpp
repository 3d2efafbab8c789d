// SPDX-License-Identifier: Apache-2.0
#include "localkube/process/children.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "localkube/process/files.h"
#include "localkube/process/packets.h"

namespace localkube {

Children::Children(net::Loop& loop) : loop_(loop), watch_(loop, {SIGCHLD}, [this](int) { reap(); }) {}

int exit_code_of(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

void Children::reap() {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    auto found = waiting_.find(pid);
    if (found == waiting_.end()) continue;
    auto call = std::move(found->second);
    waiting_.erase(found);
    call(exit_code_of(status));
  }
}

net::Task<base::Result<Children::Outcome>> Children::run(std::vector<std::string> argv, std::string input) {
  // Files instead of pipes: nobody has to pump, whatever the sizes.
  auto in = memory_file(input);
  if (!in) co_return std::unexpected(std::move(in.error()));
  Fd output(memfd_create("errors", MFD_CLOEXEC));
  std::vector<char*> pointers;
  for (std::string& piece : argv) pointers.push_back(piece.data());
  pointers.push_back(nullptr);
  pid_t pid = fork();
  if (pid < 0) co_return std::unexpected(base::system_error("fork", errno));
  if (pid == 0) {
    lseek(in->get(), 0, SEEK_SET);
    dup2(in->get(), 0);
    dup2(output.get(), 1);
    dup2(output.get(), 2);
    unblock_signals();
    execvp(pointers[0], pointers.data());
    dprintf(2, "%s: %s", pointers[0], strerror(errno));
    _exit(127);
  }
  net::Oneshot<int> done;
  on_exit(pid, [done](int code) { done.set(code); });
  int code = co_await done.wait();
  auto said = bytes_of(output);
  Outcome outcome{.code = code, .errors = said ? std::move(*said) : std::string()};
  co_return outcome;
}

}  // namespace localkube
