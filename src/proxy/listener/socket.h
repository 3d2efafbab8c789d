// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/error.h"
#include "net/address.h"

namespace proxy {

// Listening sockets for one address, one for each worker, so that the kernel
// spreads connections. Opened by the main thread, which can then say no to a
// listener whose address is taken. Owned by the caller.
base::Result<std::vector<int>> open_listening(const net::Address& address, unsigned workers, bool transparent);

}  // namespace proxy
