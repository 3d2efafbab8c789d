// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "proxy/listener/session.h"

namespace proxy {

// Connects to an endpoint of the chain's TCP proxy and copies bytes both ways.
void start_tcp_session(Worker& worker, std::unique_ptr<net::Connection> connection, std::unique_ptr<Origin> origin);

}  // namespace proxy
