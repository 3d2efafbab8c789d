// SPDX-License-Identifier: Apache-2.0
#include <signal.h>

#include "samples/programs.h"

namespace samples {

int idle() {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  sigprocmask(SIG_BLOCK, &stop, nullptr);
  int signal = 0;
  sigwait(&stop, &signal);
  return 0;
}

}  // namespace samples
