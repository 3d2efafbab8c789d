// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "proxy/listener/session.h"
#include "telemetry/record.h"

namespace proxy {

struct RelayEnd;

// Connects to an endpoint of the chain's TCP proxy and copies bytes both ways.
void start_tcp_session(Worker& worker, std::unique_ptr<net::Connection> connection, std::unique_ptr<Origin> origin);
// The same, in a CONNECT or POST request of the chain's own.
void start_tcp_tunnel(Worker& worker, std::unique_ptr<net::Connection> connection, std::unique_ptr<Origin> origin);

// What is asked too rarely to stand in a record.
struct TcpFacts {
  const net::TlsPeer* above = nullptr;               // the upstream's TLS
  std::string_view tunnel_headers, tunnel_trailers;  // of the answer that a tunnel got, as JSON
  Carried counted;                                   // of a connection's bytes, in the chain's counters already
};

// What formats may ask about the connection, and its line in the chain's logs. `cluster` may be nullptr.
void describe(Worker& worker, const Origin& origin, net::Clock::time_point began, telemetry::Record& record);
void write_tcp_record(Worker& worker, const Origin& origin, ClusterState* cluster, net::Clock::time_point began,
                      telemetry::Record& record, const TcpFacts& facts = {});
// A connection that spoke HTTP, or did not come to what its chain is for, has ended: its line in the listener's logs,
// and in those of the chain's TCP.
void write_connection_record(Worker& worker, const Origin& origin, telemetry::Record& record);
// The bytes of a relay, and why it ended where somebody else than the peers ended it.
telemetry::Record record_of(const RelayEnd& end);

}  // namespace proxy
