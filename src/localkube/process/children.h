// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "localkube/process/signals.h"
#include "net/task.h"

namespace localkube {

// Reaps every child of this process and tells who waits for one. Also where
// other programs are run to their end without holding up the loop.
class Children {
 public:
  explicit Children(net::Loop& loop);

  // Called once with the exit code, or 128 + the signal that ended it. To be
  // asked for in the turn in which the child was made.
  void on_exit(pid_t pid, std::function<void(int code)> call) { waiting_[pid] = std::move(call); }

  struct Outcome {
    int code = 0;
    std::string errors;  // what it wrote to standard error
  };
  // Runs a program found by PATH with `input` as its standard input.
  net::Task<base::Result<Outcome>> run(std::vector<std::string> argv, std::string input);

 private:
  void reap();

  net::Loop& loop_;
  std::unordered_map<pid_t, std::function<void(int)>> waiting_;
  SignalWatch watch_;
};

int exit_code_of(int wait_status);

}  // namespace localkube
