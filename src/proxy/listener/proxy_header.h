// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "net/address.h"
#include "proxy/listener/client_hello.h"
#include "proxy/listener/listener_config.h"

namespace proxy {

// The header of the PROXY protocol, versions 1 and 2 (haproxy's
// proxy-protocol.txt): who connected to the one that connects to us.
struct ProxyHeader {
  size_t size = 0;  // bytes it takes; 0: there is none
  // What it says; invalid where it says nothing (v1 UNKNOWN, v2 LOCAL or AF_UNSPEC): then the
  // connection's own addresses hold.
  net::Address source, destination;

  // NeedMore: not all of it is there. No: it is broken, or there is none of a version that is taken although one is
  // wanted, and the connection is to be closed. Yes: `out.size` bytes are to be dropped; none where there is no header.
  // v1 has at most 107 bytes; the TLVs of v2 are passed over, but must end where it does.
  static Look parse(std::string_view bytes, const ProxyHeaderPolicy& wanted, ProxyHeader& out);
};

}  // namespace proxy
