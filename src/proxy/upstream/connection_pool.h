// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "net/connection.h"
#include "proxy/runtime/list.h"
#include "proxy/stream/sides.h"

namespace proxy {

class ClusterState;
class ConnectionPermit;
class Dial;
class H1Upstream;
class H2Upstream;
class Host;
class Worker;

struct InPool;
struct Waiting;

// What else than its host a connection is made for. Empty unless the transport says otherwise (Transport::keyed).
struct ConnectionKey {
  std::string server_name;  // asked for in the handshake
  std::string preamble;     // the PROXY protocol's header
  bool operator==(const ConnectionKey&) const = default;
};

// The connections of one host for requests of one priority, and what waits for
// one. As in Envoy each priority has its own: what the circuit breakers allow
// the one is not taken up by the other.
class ConnectionPool {
 public:
  ConnectionPool(Host& host, bool high);
  ~ConnectionPool();
  ConnectionPool(const ConnectionPool&) = delete;

  struct Taken {
    Upstream* upstream = nullptr;
    bool overflow = false;  // nothing more may wait
  };
  // A connection for the stream now; or else it waits here, and is told by
  // on_upstream or on_upstream_failed, never from within this call.
  Taken take(Stream& stream, bool http2);
  void stop_waiting(Stream& stream);

  // See Host.
  void retire_connections();
  void close_connections();
  void sweep(net::Clock::time_point now);
  void count_bytes();

  // From its connections:
  void connected(Dial& dial, std::unique_ptr<net::Connection> connection, bool http2);
  void connect_failed(Dial& dial, const Failure& failure);
  void idle(H1Upstream& upstream);   // done with its stream, can take another
  void roomy(H2Upstream& upstream);  // can take more streams
  void gone(H1Upstream& upstream);   // is no longer usable; buries it
  void gone(H2Upstream& upstream);

  Host& host;
  uint32_t connections = 0;
  uint32_t waiting() const { return waiting_count_[0] + waiting_count_[1]; }
  bool unused() const { return connections == 0 && dials_ == 0 && waiting() == 0; }

 private:
  bool none_of(const ConnectionKey& key);
  // For a stream that waits. Where the process has as many connections as it may, one that idles and fits nobody who
  // waits gives way, or else one of those that are there must do.
  void dial(bool http2, const Stream& stream);
  void begin_dial(bool http2, bool exclusive, ConnectionKey key, ConnectionPermit permit);
  void retire_idle();
  void retire_all_idle();
  void dial_for_waiting(bool http2);
  void dial_for_waiting();
  bool awaits_settings();
  bool dialing_for(const ConnectionKey& key);
  void serve_waiting(bool http2);
  Upstream* ready_connection(Stream& stream, bool http2);
  void no_longer_waits(Stream& stream);
  ConnectionKey key_of(const Stream& stream) const;

  ClusterState& cluster_;
  Worker& worker_;
  const bool high_;
  bool multiplexes_ = false;       // a peer that turned an HTTP/1.1 wish into a multiplexed connection
  List<H1Upstream, InPool> idle_;  // the most recently used at the back
  List<H1Upstream, InPool> busy_;
  List<H2Upstream, InPool> h2_;
  List<Dial, InPool> dialing_;
  List<Stream, Waiting> waiting_[2];  // for HTTP/1.1, for HTTP/2
  uint32_t waiting_count_[2] = {0, 0};
  bool retiring_idle_ = false;  // one gives way, further up the stack
  bool serving_[2] = {};        // those who wait are being served, further up the stack
  uint32_t dials_ = 0;
  uint32_t dials_for_[2] = {0, 0};
};

}  // namespace proxy
