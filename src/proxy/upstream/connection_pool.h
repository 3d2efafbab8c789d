// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <optional>
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

// What else than its host connections are made for.
struct ConnectionKey {
  bool high = false;        // the requests' priority: what circuit breakers allow the one, the other does not take up
  bool http2 = false;       // wanted; what the peer chooses in the handshake counts
  bool exclusive = false;   // for an upgrade, where the other connections may come to be HTTP/2
  std::string server_name;  // asked for in the handshake (Transport::sni_from_host)
  std::string preamble;     // the PROXY protocol's header (Transport::proxy_protocol)
  auto operator<=>(const ConnectionKey&) const = default;
};

// The connections of one host that are alike, as in Envoy those of one key, and
// what waits for one: any of them will do.
class ConnectionPool {
 public:
  ConnectionPool(Host& host, ConnectionKey key);
  ~ConnectionPool();
  ConnectionPool(const ConnectionPool&) = delete;

  struct Taken {
    Upstream* upstream = nullptr;
    bool overflow = false;  // nothing more may wait
  };
  // A connection for the stream now; or else it waits here, and is told by
  // on_upstream or on_upstream_failed, never from within this call.
  Taken take(Stream& stream);
  void stop_waiting(Stream& stream);

  // See Host.
  void retire_connections();
  void close_connections();
  void sweep(net::Clock::time_point now);
  void count_bytes();
  // Of the connections that carry nothing, the one that has not for longest.
  std::optional<net::Clock::time_point> idle_since();
  void retire_idlest();

  // From its connections:
  void connected(Dial& dial, std::unique_ptr<net::Connection> connection, bool http2);
  void connect_failed(Dial& dial, const Failure& failure);
  void idle(H1Upstream& upstream);   // done with its stream, can take another
  void roomy(H2Upstream& upstream);  // can take more streams
  void gone(H1Upstream& upstream);   // is no longer usable; buries it
  // The same; `wasted`: the peer ended it before it could carry anything.
  void gone(H2Upstream& upstream, const Failure* wasted);

  Host& host;
  const ConnectionKey key;
  uint32_t connections = 0;
  uint32_t waiting() const { return waiting_count_; }
  bool unused() const { return connections == 0 && dials_ == 0 && waiting() == 0; }

 private:
  // Begins another connection for those who wait, if it may. Where the process has as many connections as it may, one
  // that idles gives way, or else one of those that are there must do.
  bool dial();
  void begin_dial(ConnectionPermit permit);
  void retire_all_idle();
  bool enough();  // who waits needs no further connection
  void dial_for_waiting();
  void serve_waiting();
  void fail_waiting(const Failure& failure);
  Upstream* ready_connection(Stream& stream);
  H2Upstream* idle_h2();

  ClusterState& cluster_;
  Worker& worker_;
  bool multiplexes_;               // as far as is known: HTTP/2 is what the peer takes
  List<H1Upstream, InPool> idle_;  // the most recently used at the back
  List<H1Upstream, InPool> busy_;
  List<H2Upstream, InPool> h2_;
  List<Dial, InPool> dialing_;
  List<Stream, Waiting> waiting_;
  uint32_t waiting_count_ = 0;
  bool serving_ = false;  // those who wait are being served, further up the stack
  uint32_t dials_ = 0;
};

}  // namespace proxy
