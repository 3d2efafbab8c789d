// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "net/address.h"
#include "proxy/upstream/cluster_config.h"

namespace proxy {

// What the PROXY protocol (haproxy.org's proxy-protocol.txt) says first on a connection: who `source` is that
// connected to `destination`. Addresses of two families, or that are unknown: "UNKNOWN", or LOCAL in version 2.
std::string proxy_header(ProxyProtocol version, const net::Address& source, const net::Address& destination);

}  // namespace proxy
