// SPDX-License-Identifier: Apache-2.0
#pragma once

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

  // The connections for one priority of requests.
  ConnectionPool& pool(bool high) {
    if (!high) return usual_;
    if (!urgent_) urgent_ = std::make_unique<ConnectionPool>(*this, true);
    return *urgent_;
  }

  // The transport, endpoint facts and so on changed: connections that exist
  // finish what they carry and take nothing new.
  void retire_connections();
  void close_connections();  // at once, with what they carry
  // Closes connections that have been idle, or there, for too long.
  void sweep(net::Clock::time_point now);
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
  uint32_t connections() const { return usual_.connections + (urgent_ ? urgent_->connections : 0); }
  uint32_t waiting() const { return usual_.waiting() + (urgent_ ? urgent_->waiting() : 0); }
  bool unused() const { return active == 0 && usual_.unused() && (!urgent_ || urgent_->unused()); }

 private:
  template <typename Call>
  void each_pool(Call call) {
    call(usual_);
    if (urgent_) call(*urgent_);
  }
  ConnectionPool usual_{*this, false};
  std::unique_ptr<ConnectionPool> urgent_;  // for high priority, where a request had that
};

}  // namespace proxy
