// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>

#include "net/address.h"
#include "proxy/upstream/cluster_config.h"
#include "proxy/upstream/connection_pool.h"
#include "proxy/upstream/shared.h"

namespace proxy {

class ClusterState;
class Worker;

// One address of a cluster on one worker, with its connections. Outlives its
// endpoint as long as connections of it are busy.
class Host {
 public:
  Host(ClusterState& cluster, const Endpoint& endpoint);
  Host(const Host&) = delete;

  // The connections for requests like the stream's, over HTTP/2 or not, as is wanted.
  ConnectionPool& pool_for(const Stream& stream, bool http2);

  // The transport, endpoint facts and so on changed: connections that exist
  // finish what they carry and take nothing new.
  void retire_connections();
  void close_connections();  // at once, with what they carry
  // Closes connections that have been idle, or there, for too long.
  void sweep(net::Clock::time_point now);
  // Of all that carry nothing, the connection that has not for longest goes.
  void retire_idlest();
  void count_bytes();  // of its connections, in the cluster's counts

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

  uint64_t requests_total = 0, requests_failed = 0, requests_timed_out = 0, connections_total = 0, connect_failures = 0;
  uint32_t connections() const;
  uint32_t waiting() const;
  bool unused() const;

 private:
  ConnectionPool usual_;                                             // those of requests that nothing sets apart
  std::map<ConnectionKey, std::unique_ptr<ConnectionPool>> others_;  // as long as they are used
  bool retiring_idle_ = false;                                       // further up the stack
};

}  // namespace proxy
