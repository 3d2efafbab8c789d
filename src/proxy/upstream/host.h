// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "net/connection.h"
#include "proxy/runtime/list.h"
#include "proxy/stream/sides.h"
#include "proxy/upstream/cluster_config.h"

namespace proxy {

class ClusterState;
class Worker;
class H1Upstream;
class H2Upstream;
class Dial;

struct InHost;
struct Waiting;

// One address of a cluster on one worker: its connections and what waits for
// one. Outlives its endpoint as long as connections of it are busy.
class Host {
 public:
  Host(ClusterState& cluster, const Endpoint& endpoint);
  ~Host();
  Host(const Host&) = delete;

  // A connection for the stream now, or nullptr: then it waits here, and is told
  // by on_upstream or on_upstream_failed, never from within this call.
  Upstream* take(Stream& stream, bool http2);
  void stop_waiting(Stream& stream);

  // The transport, endpoint facts and so on changed: connections that exist
  // finish what they carry and take nothing new.
  void retire_connections();
  void close_idle();
  // Closes connections that have been idle since `before`.
  void sweep(net::Clock::time_point before);

  // From its connections:
  void connected(Dial& dial, std::unique_ptr<net::Connection> connection, bool http2);
  void connect_failed(Dial& dial, const Failure& failure);
  void idle(H1Upstream& upstream);      // done with its stream, can take another
  void roomy(H2Upstream& upstream);     // can take more streams
  void gone(H1Upstream& upstream);      // is no longer usable; buries it
  void gone(H2Upstream& upstream);

  ClusterState& cluster;
  Worker& worker;
  net::Address address;
  std::string text;      // of the address
  std::string hostname;
  std::string workload;
  uint32_t workload_number = 0;  // in the worker's metrics
  const Transport* transport = nullptr;  // of the cluster's current configuration
  std::shared_ptr<net::TlsMemory> tls_memory;  // nullptr: clear text
  uint32_t weight = 1;
  uint8_t priority = 0;
  Health health = Health::Healthy;
  uint32_t locality = 0;
  uint32_t active = 0;        // requests
  int64_t current_weight = 0;  // smooth weighted round robin
  bool current = true;        // part of the endpoints
  bool multiplexes = false;   // a peer that turned an HTTP/1.1 wish into a multiplexed connection

  // Outlier detection.
  uint32_t failures_in_row = 0;
  uint32_t gateway_failures_in_row = 0;
  uint32_t ejections = 0;
  net::Clock::time_point ejected_until{};

  uint64_t requests_total = 0, requests_failed = 0, connections_total = 0, connect_failures = 0;
  uint32_t connections = 0;
  bool unused() const { return connections == 0 && dials_ == 0 && active == 0; }

 private:
  friend class H1Upstream;
  friend class H2Upstream;
  // `exclusive`: for a request that cannot be multiplexed.
  void dial(bool http2, bool exclusive = false);
  void serve_waiting(bool http2);

  List<H1Upstream, InHost> idle_;   // the most recently used at the back
  List<H1Upstream, InHost> busy_;
  List<H2Upstream, InHost> h2_;
  List<Dial, InHost> dialing_;
  List<Stream, Waiting> waiting_[2];  // for HTTP/1.1, for HTTP/2
  uint32_t waiting_count_[2] = {0, 0};
  uint32_t dials_ = 0;
  uint32_t dials_for_[2] = {0, 0};
};

}  // namespace proxy
