// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/runtime/config.h"
#include "proxy/runtime/listener_counts.h"
#include "proxy/upstream/connections.h"
#include "proxy/upstream/host.h"
#include "proxy/upstream/host_set.h"
#include "proxy/upstream/priority_load.h"
#include "proxy/upstream/shared.h"
#include "telemetry/metrics.h"

namespace proxy {

// One cluster on one worker: its hosts, their connections, whose turn it is.
// Survives every change of configuration and of endpoints.
class ClusterState {
 public:
  ClusterState(Worker& worker, Slot slot);
  ~ClusterState();
  ClusterState(const ClusterState&) = delete;

  // The cluster's configuration as of now; nullptr: it is gone.
  void configure(std::shared_ptr<const Cluster> config);
  void set_endpoints(std::shared_ptr<const EndpointSet> endpoints);
  const Cluster* config() const { return config_.get(); }

  // An endpoint that was tried; it may be gone by now.
  struct Try {
    const Host* host;
    uint8_t priority;
  };
  struct Wish {
    std::optional<uint64_t> hash;
    net::Address original;  // for ORIGINAL_DST; none: nobody told
    const std::vector<Try>* tried = nullptr;
    bool avoid_tried = true;                                                      // where others are there
    const std::vector<std::shared_ptr<const SubsetCriteria>>* omitted = nullptr;  // endpoints with these, likewise
    uint32_t tries = 1;
    uint32_t other_priorities_after = 0;     // so many of `tried`: their priorities are avoided too; 0: never
    net::Address preferred;                  // this host, as long as it is fit (override_host_status)
    bool only_preferred = false;             // and no other
    const SubsetCriteria* subset = nullptr;  // where the cluster is divided; for the call only
  };
  // Whose turn it is, or nullptr: no healthy upstream.
  Host* pick(const Wish& wish);

  // For outlier detection; cheap where that is not configured.
  void report(Host& host, Outcome outcome, int status = 0);
  void sweep(net::Clock::time_point now);
  void count_bytes();  // of the connections that are open, in `counts`

  // What the process may have at a time, by the circuit breakers. take(): one more, or false.
  bool take(Limited what, bool high) { return shared_->limits.take(worker_index_, what, high, limit(what, high)); }
  bool room(Limited what, bool high) const {
    return shared_->limits.room(worker_index_, what, high, limit(what, high));
  }
  void give_back(Limited what, bool high) { shared_->limits.give_back(worker_index_, what, high, limit(what, high)); }
  // Empty: there are as many connections as there may be. `first`: without this one the host has none, so it may.
  ConnectionPermit connection_permit(bool high, bool first);
  bool take_retry(bool high);
  bool request_began(bool high) {  // false: there are as many as there may be
    if (!take(Limited::Requests, high)) return false;
    ++counts.active_requests;
    return true;
  }
  void request_ended(bool high) {
    give_back(Limited::Requests, high);
    --counts.active_requests;
  }

  Worker& worker() const { return worker_; }
  ClusterShared& shared() const { return *shared_; }
  template <typename Call>
  void each_host(Call call) {
    refresh();
    for (auto& [address, host] : hosts_) call(*host);
  }

  struct Counts {
    uint64_t requests = 0, retries = 0, retry_overflow = 0, timeouts = 0, per_try_timeouts = 0,
             per_try_idle_timeouts = 0, back_offs = 0, wished_back_offs = 0, connect_failures = 0, connections = 0,
             connections_http1 = 0, connections_http2 = 0, connections_ended = 0, cancelled = 0, resets = 0,
             none_healthy = 0, pending_overflow = 0, bytes_sent = 0, bytes_received = 0, pending_total = 0,
             connection_overflow = 0, max_requests_reached = 0, max_duration_reached = 0, idle_timeouts = 0,
             http2_keepalive_timeouts = 0, panics = 0, connect_timeouts = 0, endpoint_updates = 0, protocol_errors = 0,
             redirects = 0, redirects_failed = 0, retry_limit_exceeded = 0, retry_success = 0,
             original_host_invalid = 0, active_overflow = 0, retries_abandoned = 0, connect_attempts_exceeded = 0;
    struct Statuses {
      uint64_t by_class[6] = {};  // by_class[2]: 2xx
      std::vector<std::pair<int, uint64_t>> by_status;
      void add(int status) {
        ++by_class[std::clamp(status / 100, 0, 5)];
        for (auto& [known, count] : by_status)
          if (known == status) return void(++count);
        by_status.emplace_back(status, 1);
      }
    };
    Statuses answers;                   // that went to clients, also those that the proxy gave in an endpoint's stead
    Statuses retried;                   // that were tried again instead
    telemetry::Histogram request_time;  // milliseconds, until the response's head
    telemetry::Histogram connect_time, connection_length;  // milliseconds
    TlsCounts tls;
    // What the connection has carried by now; `counted`: what of that stands here already.
    void carried(const net::Connection& connection, Carried& counted) {
      bytes_received += connection.bytes_received() - std::exchange(counted.received, connection.bytes_received());
      bytes_sent += connection.bytes_sent() - std::exchange(counted.sent, connection.bytes_sent());
    }
    void connection_ended(const net::Connection* connection, Carried& counted, net::Clock::duration lasted) {
      ++connections_ended;
      connection_length.observe(std::chrono::duration<double, std::milli>(lasted).count());
      if (connection) carried(*connection, counted);  // else another one carries on
    }
    uint32_t active_requests = 0, active_connections = 0, pending = 0;
  } counts;

 private:
  struct Priority {
    HostSet all, healthy, degraded;
  };
  uint32_t limit(Limited what, bool high) const {
    const CircuitBreaker& breaker = limits_[high];
    switch (what) {
      case Limited::Connections:
        return breaker.connections;
      case Limited::Pending:
        return breaker.pending;
      case Limited::Requests:
        return breaker.requests;
      case Limited::Retries:
        return breaker.retries;
    }
    return kUnlimited;
  }
  // Hosts that are chosen from as if they were all: those of the cluster, or of one subset.
  struct Pool {
    std::vector<Priority> priorities;
    std::vector<PriorityHealth> health;  // by priority
    std::vector<PriorityLoad> loads;
  };
  struct Subsets {
    base::StringMap<Pool> pools;  // by SubsetCriteria::name
    Pool usual;                   // the default subset
  };
  struct Seen {
    Host* host = nullptr;
    Health state = Health::Healthy;
    enum class As : uint8_t {
      Member,
      Excluded,  // neither as well nor as failed; panic takes it
      Nobody,
    } counts = As::Member;
  };
  void refresh();
  void index_priorities();
  void index_subsets(const std::vector<Seen>& hosts);
  enum class Localities : uint8_t { Weighted, Ignored };
  void fill(Pool& pool, const std::vector<Seen>& hosts, Localities localities);
  std::vector<PriorityLoad> loads_without(const Pool& pool, const std::vector<bool>& excluded) const;
  std::vector<PriorityLoad> loads_after(const Pool& pool, const std::vector<Try>& tried, uint32_t every) const;
  Host* pick_from(Pool& pool, const Wish& wish);
  Host* pick_of_subset(const Wish& wish, const SubsetCriteria* criteria);
  void update(Host& host, const Endpoint& endpoint);
  void leave(std::unique_ptr<Host> host);
  Health health_of(const Host& host) const;
  Host* pick_original(const Wish& wish);
  Host* pick_preferred(const Wish& wish);
  std::vector<HostSet::Locality> localities_of(const std::vector<Host*>& eligible, const std::vector<Host*>& all) const;

  Worker& worker_;
  const unsigned worker_index_;
  const Slot slot_;
  std::shared_ptr<const Cluster> config_;
  std::shared_ptr<ClusterShared> shared_;
  CircuitBreaker limits_[2];  // the configuration's
  std::shared_ptr<const EndpointSet> endpoints_;
  bool stale_ = true;          // hosts_ do not reflect the above yet
  uint32_t seen_version_ = 0;  // of shared_
  std::unordered_map<net::Address, std::unique_ptr<Host>, AddressHash> hosts_;
  std::vector<Host*> order_;  // hosts_ in the endpoints' order, so that choices are fair and repeatable
  std::vector<std::unique_ptr<Host>> leaving_;  // not current any more, still busy
  Pool all_;
  std::unique_ptr<Subsets> subsets_;  // where the cluster is divided
};

}  // namespace proxy
