// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "base/error.h"

namespace localkube {

// The processes of one cluster:
//
//   hold    in the host's network namespace. Opens the host's ports and passes
//           them on; starts the keeper and starts it again should it die.
//   keep    process 1 of fresh pid, network, mount, ipc and uts namespaces, in
//           which everything else lives. It dies with hold, and the kernel ends
//           everything in the pid namespace with it: nothing can outlive hold,
//           whatever killed it. Starts serve, and starts it again.
//   serve   API server, controllers, DNS, Service rules, pod runtime.
//   shim    one a pod, see shim/shim.h. A killed serve costs no pod.
//
// Files in the state directory: lock (held by hold), hold.json {pid, start,
// keeper, keeper_start}, ports.json (which host port was given for what).
struct HoldOptions {
  std::filesystem::path state;
  std::string listen;  // gateways are opened there too, besides the loopback
};

// Runs until SIGTERM or SIGINT, then everything is gone. The exit code.
int hold(const HoldOptions& options);
int keep(const HoldOptions& options);  // descriptor 3: the channel to hold, passed on to serve

// Ends a hold that runs, or what one has left, and removes its marks.
base::Result<void> sweep(const std::filesystem::path& state);

}  // namespace localkube
