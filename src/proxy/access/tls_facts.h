// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "net/tls.h"
#include "proxy/listener/session.h"
#include "telemetry/record.h"

namespace proxy {

// What formats ask about a connection's TLS: the Peer... and Tls... facts, or Upstream... of the same; "" for what is
// not there, and for no TLS. `fingerprint`: the certificate's, where it is known.
std::string tls_fact(const net::TlsPeer* peer, const std::string& fingerprint, telemetry::Fact fact);

// What formats ask about a downstream connection: its addresses, its listener, its TLS.
std::string origin_fact(const Origin& origin, telemetry::Fact fact);
// The subject of its certificate, as RFC 2253 writes it; "" where it has none.
std::string subject_of(const net::TlsPeer& peer);

}  // namespace proxy
