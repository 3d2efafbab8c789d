// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "localkube/process/fd.h"
#include "localkube/shim/spec.h"

namespace localkube {

// The three standard descriptors of a program to come; empty ones are /dev/null.
// With a terminal all three are the terminal's.
struct Streams {
  Fd in, out, err;
};

// Processes of a container, seen from the shim. Each is forked without exec, so
// that nothing of the host has to exist inside, and reports by `report` (a
// packet socket): {"error": "..."} if it could not start its program,
// {"terminal": true} with the master end where it has one, and then the
// socket's end, which means that the program runs.

// Process 1 of the container, in fresh mount and pid namespaces: enters the
// root, starts the program, passes signals on to it, reaps what it leaves, and
// ends with its exit code (128 + the signal that killed it).
base::Result<pid_t> start_container(const ContainerSpec& spec, Streams streams, Fd report);

// A further program in a container whose process 1 is `inside`. The returned
// process ends with the program's exit code; the program leads a process group.
struct ExecSpec {
  std::vector<std::string> argv;
  bool tty = false;
};
base::Result<pid_t> start_exec(const ContainerSpec& spec, pid_t inside, const ExecSpec& exec, Streams streams,
                               Fd report);

}  // namespace localkube
