// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "proxy/listener/session.h"

namespace proxy {

// Serves HTTP/2 on the connection from here on, beginning with what lies in its input.
void start_http2_session(Worker& worker, std::unique_ptr<net::Connection> connection, std::unique_ptr<Origin> origin);

}  // namespace proxy
