// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "net/connection.h"
#include "proxy/runtime/list.h"
#include "proxy/stream/sides.h"
#include "proxy/upstream/cluster_config.h"
#include "proxy/upstream/shared.h"

namespace proxy {

class ClusterState;
class Worker;
class H1Upstream;
class H2Upstream;
class Dial;

struct InHost;
struct Waiting;

// What else than its host a connection is made for. Empty unless the transport says otherwise (Transport::keyed).
struct ConnectionKey {
  std::string server_name;  // asked for in the handshake
  std::string preamble;     // the PROXY protocol's header
  bool operator==(const ConnectionKey&) const = default;
};

// One address of a cluster on one worker: its connections and what waits for
// one. Outlives its endpoint as long as connections of it are busy.
class Host {
 public:
  Host(ClusterState& cluster, const Endpoint& endpoint);
  ~Host();
  Host(const Host&) = delete;

  struct Taken {
    Upstream* upstream = nullptr;
    bool overflow = false;  // nothing more may wait
  };
  // A connection for the stream now; or else it waits here, and is told by
  // on_upstream or on_upstream_failed, never from within this call.
  Taken take(Stream& stream, bool http2);
  void stop_waiting(Stream& stream);

  // The transport, endpoint facts and so on changed: connections that exist
  // finish what they carry and take nothing new.
  void retire_connections();
  void close_connections();  // at once, with what they carry
  // Closes connections that have been idle, or there, for too long.
  void sweep(net::Clock::time_point now);
  void count_bytes();  // of its connections, in the cluster's counts

  // From its connections:
  void connected(Dial& dial, std::unique_ptr<net::Connection> connection, bool http2);
  void connect_failed(Dial& dial, const Failure& failure);
  void idle(H1Upstream& upstream);   // done with its stream, can take another
  void roomy(H2Upstream& upstream);  // can take more streams
  void gone(H1Upstream& upstream);   // is no longer usable; buries it
  void gone(H2Upstream& upstream);

  ClusterState& cluster;
  Worker& worker;
  std::shared_ptr<const Cluster> config;  // as long as it is current, the cluster's
  std::shared_ptr<HostShared> shared;     // where outlier detection or active checks are on
  net::Address address;
  std::shared_ptr<const EndpointDetails> details;  // as of the endpoints; nullptr: none
  std::vector<net::Address> additional;            // other ways to the same endpoint
  std::string text;                                // of the address
  std::string hostname;
  std::string hash_key;
  std::string workload;
  uint32_t workload_number = 0;                // in the worker's metrics
  const Transport* transport = nullptr;        // in `config`
  std::shared_ptr<net::TlsMemory> tls_memory;  // nullptr: clear text
  uint32_t weight = 1;
  uint8_t priority = 0;
  Health health = Health::Healthy;  // as the endpoints say
  bool unchecked = false;
  bool well = true;  // all things considered, when that was looked at last
  uint32_t locality = 0;
  uint32_t active = 0;             // requests
  net::Clock::time_point since{};  // in service, for slow start
  bool current = true;             // part of the endpoints
  bool multiplexes = false;        // a peer that turned an HTTP/1.1 wish into a multiplexed connection

  uint64_t requests_total = 0, requests_failed = 0, requests_timed_out = 0, connections_total = 0, connect_failures = 0;
  uint32_t connections = 0;
  uint32_t waiting() const { return waiting_count_[0] + waiting_count_[1]; }
  bool unused() const { return connections == 0 && dials_ == 0 && active == 0; }

 private:
  friend class H1Upstream;
  friend class H2Upstream;
  // For a stream that waits; does nothing where the process has as many connections as it may.
  void dial(bool http2, const Stream& stream);
  void dial_for_waiting(bool http2);
  bool awaits_settings();
  bool dialing_for(bool http2, const ConnectionKey& key, size_t waiting);
  void serve_waiting(bool http2);
  void serve(H1Upstream& upstream, Stream& stream);
  Upstream* ready_connection(Stream& stream, bool http2);
  void no_longer_waits(Stream& stream, bool http2);
  ConnectionKey key_of(const Stream& stream) const;

  List<H1Upstream, InHost> idle_;  // the most recently used at the back
  List<H1Upstream, InHost> busy_;
  List<H2Upstream, InHost> h2_;
  List<Dial, InHost> dialing_;
  List<Stream, Waiting> waiting_[2];  // for HTTP/1.1, for HTTP/2
  uint32_t waiting_count_[2] = {0, 0};
  uint32_t dials_ = 0;
  uint32_t dials_for_[2] = {0, 0};
};

}  // namespace proxy
