// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "net/tls.h"
#include "telemetry/record.h"

namespace proxy {

// What formats ask about a connection's TLS: the Peer... and Tls... facts, or Upstream... of the same; "" for what is
// not there, and for no TLS. `fingerprint`: the certificate's, where it is known.
std::string tls_fact(const net::TlsPeer* peer, const std::string& fingerprint, telemetry::Fact fact);

// Whether it is the upstream connection's TLS that it asks about.
bool is_of_upstream_tls(telemetry::Fact fact);

}  // namespace proxy
