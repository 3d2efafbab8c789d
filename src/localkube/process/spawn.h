// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/error.h"

namespace localkube {

// Another part of localkube: this same executable again, as its own process.
struct Spawn {
  std::vector<std::string> argv;  // after the program's name: {"serve", "--state", ...}
  int namespaces = 0;             // CLONE_NEW...: fresh ones for the process
  std::vector<int> fds;           // become 3, 4, ... there; nothing else is inherited but 0, 1 and 2
  enum class Life { Own, EndsWithParent } life = Life::Own;
};
base::Result<pid_t> spawn_self(const Spawn& spawn);

// Cuts this process's mount namespace off from its parent's and mounts a /proc
// of its own pid namespace.
base::Result<void> own_mounts_and_proc();

}  // namespace localkube
