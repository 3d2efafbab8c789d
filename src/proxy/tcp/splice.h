// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "net/connection.h"
#include "proxy/tcp/relay.h"

namespace proxy {

// Goes on with a relay between two clear-text connections that moves much:
// bytes pass through pipes in the kernel (splice) and are not copied. What the
// connections had read or not yet sent goes first. `so_far` was relayed before.
void start_splice(Worker& worker, std::unique_ptr<net::Connection> downstream,
                  std::unique_ptr<net::Connection> upstream, RelayEnd so_far, RelayOptions options);

// Neither side is TLS, has ended, or is about to.
bool can_splice(const net::Connection& downstream, const net::Connection& upstream);

}  // namespace proxy
