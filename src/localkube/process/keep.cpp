// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/log.h"
#include "localkube/process/children.h"
#include "localkube/process/files.h"
#include "localkube/process/hold.h"
#include "localkube/process/program.h"
#include "localkube/process/restart_delay.h"
#include "localkube/process/spawn.h"

namespace localkube {

constexpr std::chrono::milliseconds kLongestRest{1'000};  // nobody is answered meanwhile

static base::Result<pid_t> start_serve(const HoldOptions& options, const std::string& epoch) {
  return spawn_self(
      {.argv = {"serve", "--state", options.state.string(), "--listen", options.listen, "--epoch", epoch}, .fds = {3}});
}

// One signal at a time is all that happens to process 1 here.
int keep(const HoldOptions& options) {
  block_all_signals();
  prctl(PR_SET_NAME, "localkube-keep");
  if (auto own = own_mounts_and_proc(); !own) {
    base::log::error("{}", own.error().message);
    return 1;
  }
  // Names this life of the pid namespace: pids noted under another are void.
  std::string epoch = std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
  RestartDelay delay(kLongestRest);
  bool stopping = false;
  while (!stopping) {
    auto began = std::chrono::steady_clock::now();
    auto serve = start_serve(options, epoch);
    if (!serve) {
      base::log::error("{}", serve.error().message);
      return 1;
    }
    int code = -1;
    while (code < 0) {
      sigset_t all;
      sigfillset(&all);
      siginfo_t seen{};
      int number = sigwaitinfo(&all, &seen);
      if (number == SIGTERM || number == SIGINT) {
        stopping = true;
        kill(*serve, SIGTERM);
      }
      int status;
      for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == *serve) code = exit_code_of(status);
    }
    if (stopping) break;
    if (code == kHopeless) return kHopeless;
    base::log::error("serve ended with code {}, starting it again", code);
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    auto rest = delay.after(std::chrono::steady_clock::now() - began);
    timespec wait{rest / std::chrono::seconds(1), (rest % std::chrono::seconds(1)) / std::chrono::nanoseconds(1)};
    if (sigtimedwait(&stop, nullptr, &wait) == SIGTERM) break;
  }
  return 0;  // and the kernel ends what is left in this pid namespace
}

}  // namespace localkube
