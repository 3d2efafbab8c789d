// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace base {

// Bytes of one message as they stood on the wire, below TLS left out.
struct ByteMeter {
  uint64_t received = 0, sent = 0;            // all: heads, bodies, framing
  uint64_t head_received = 0, head_sent = 0;  // of those, heads and trailers
};

}  // namespace base
