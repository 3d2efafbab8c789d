// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/error.h"
#include "net/address.h"
#include "proxy/listener/listener_config.h"

namespace proxy {

// Listening sockets for one address, one for each worker: of their own, so that
// the kernel spreads connections, or all the same one. Opened by the main
// thread, which can then say no to a listener whose address is taken. Owned by
// the caller. `inherited` are sockets of that address that another process
// gave; they serve first, and there are then at least as many.
base::Result<std::vector<int>> open_listening(const SocketSpec& spec, unsigned workers,
                                              std::vector<int> inherited = {});

}  // namespace proxy
