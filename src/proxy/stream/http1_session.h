// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "proxy/listener/session.h"

namespace proxy {

// Serves HTTP/1.x on the connection from here on, beginning with what lies in
// its input. One request at a time; pipelined ones wait in the input.
void start_http1_session(Worker& worker, std::unique_ptr<net::Connection> connection, std::unique_ptr<Origin> origin);

}  // namespace proxy
