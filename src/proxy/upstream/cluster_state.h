// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "proxy/runtime/config.h"
#include "proxy/upstream/host.h"
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

  struct Wish {
    std::optional<uint64_t> hash;
    net::Address original;                     // for ORIGINAL_DST
    const std::vector<const Host*>* tried = nullptr;  // to be avoided, where others are there
    uint32_t tries = 1;
    net::Address preferred;                    // this host, as long as it is healthy
    bool only_preferred = false;               // and no other
  };
  // Whose turn it is, or nullptr: no healthy upstream.
  Host* pick(const Wish& wish);

  void report(Host& host, int status, bool gateway_failure);  // for outlier detection
  void sweep(net::Clock::time_point now);

  Worker& worker() const { return worker_; }
  template <typename Call>
  void each_host(Call call) {
    refresh();
    for (auto& [address, host] : hosts_) call(*host);
  }

  struct Counts {
    uint64_t requests = 0, retries = 0, retry_overflow = 0, timeouts = 0, per_try_timeouts = 0, connect_failures = 0,
             connections = 0, connections_http2 = 0, resets = 0, none_healthy = 0, pending_overflow = 0, bytes_sent = 0,
             bytes_received = 0, ejections = 0;
    uint64_t by_class[6] = {};  // by_class[2]: 2xx
    uint32_t active_requests = 0, active_connections = 0, active_retries = 0, pending = 0;
  } counts;

 private:
  void refresh();
  void index_priorities();
  Host* pick_original(const Wish& wish);
  struct Priority {
    std::vector<Host*> all, healthy;
    std::vector<std::pair<uint64_t, Host*>> ring;  // built when first asked for
    bool equal_weights = true;
    size_t next = 0;
  };
  Host* pick_from(Priority& priority, bool panic, const Wish& wish);
  Host* pick_one(Priority& priority, const std::vector<Host*>& hosts, const Wish& wish);
  Host* pick_weighted(const std::vector<Host*>& hosts, bool by_load);
  Host* pick_by_hash(Priority& priority, const std::vector<Host*>& hosts, uint64_t hash);

  Worker& worker_;
  const Slot slot_;
  std::shared_ptr<const Cluster> config_;
  std::shared_ptr<const EndpointSet> endpoints_;
  bool stale_ = true;  // hosts_ do not reflect the above yet
  std::unordered_map<net::Address, std::unique_ptr<Host>, AddressHash> hosts_;
  std::vector<std::unique_ptr<Host>> leaving_;  // not current any more, still busy
  std::vector<Priority> priorities_;
  net::Clock::time_point next_uneject_{};  // when an ejected host may come back
};

}  // namespace proxy
