// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "net/byte_stream.h"
#include "net/connection.h"

namespace net {

// The same connection for code that waits; what is in input() is read first.
// Not from within the connection's own callbacks unless they return at once.
std::unique_ptr<ByteStream> stream_of(std::unique_ptr<Connection> connection);

}  // namespace net
