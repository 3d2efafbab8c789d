// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "net/loop.h"
#include "proxy/upstream/cluster_config.h"
#include "proxy/upstream/limits.h"

namespace proxy {

// How a try at a host ended, for outlier detection.
enum class Outcome : uint8_t {
  Response,       // with a status; counts by that
  ConnectFailed,  // this side's errors: no connection,
  Timeout,        // no answer in time,
  Reset,          // or a stream that broke
  Connected,      // the connection stands, a response is still to come
  TcpConnected,   // TCP: the connection stands, and no more is known
};

// What active health checks say of a host.
enum class Checked : uint8_t { Never, Passes, Degraded, Fails };

// One address of a cluster in the whole process. Workers report to it with
// relaxed atomics; a late reader only sends one request more.
struct HostShared {
  struct Monitor {
    std::atomic<uint32_t> total{0}, good{0};  // since the last interval
    std::atomic<uint32_t> failures{0};        // in a row
    double success_rate = -1;                 // of the last interval, percent; -1: too little traffic
  };
  std::atomic<uint32_t> failures_5xx{0}, failures_gateway{0};  // in a row
  Monitor external, local;
  std::atomic<bool> ejected{false};
  std::atomic<Checked> checked{Checked::Never};
  std::atomic<bool> excluded{false};  // it said that it fails: until it passes, as if there were no such host
  net::Clock::time_point since{};     // when it came to be; constant

  // Under ClusterShared's mutex.
  net::Clock::time_point ejected_at{};
  uint32_t backoff = 0;
  std::chrono::milliseconds jitter{0};
};

// What the process knows of one cluster, whoever it is that learnt it: its
// hosts' health, by outlier detection and active checks, and what is under way.
// Named by every Cluster of that name, so it outlives changes of configuration.
class ClusterShared {
 public:
  explicit ClusterShared(unsigned workers) : limits(workers) {}
  ClusterShared(const ClusterShared&) = delete;

  Limits limits;

  // Changes with every change of a host's health.
  uint32_t version() const { return version_.load(std::memory_order_acquire); }

  // The host's state, made where there is none yet. Hold it while the host is in use.
  std::shared_ptr<HostShared> host(const net::Address& address, net::Clock::time_point now);
  std::shared_ptr<HostShared> find(const net::Address& address);
  // How many hosts there are, for max_ejection_percent.
  void set_size(size_t hosts) { size_.store(hosts, std::memory_order_relaxed); }

  // How many of the endpoints serve, as Envoy's membership gauges have it.
  struct Membership {
    size_t total = 0, healthy = 0, degraded = 0, excluded = 0;
  };
  Membership membership(const EndpointSet& endpoints, bool checks);
  // As Envoy's outlier detection counts; any thread.
  void report(HostShared& host, const OutlierPolicy& policy, Outcome outcome, int status, net::Clock::time_point now);
  // Once every policy.interval: success rates, failure percentages, and back into service who has rested.
  void tick(const OutlierPolicy& policy, net::Clock::time_point now);
  // Of the last interval, in percent; -1: too few hosts with enough traffic.
  struct Rates {
    double average = -1, threshold = -1;
  };
  std::pair<Rates, Rates> rates();  // of all that hosts answered, or of that alone where split; of local failures
  // An active check's word; `uneject`: it passed, and that ends an ejection. Returns what was known before.
  Checked set_checked(HostShared& host, Checked checked, bool uneject);
  // The host itself said, in an answer to a request, that it fails its checks; any thread.
  void fail_check(HostShared& host);
  // Nobody is ejected any more: the policy is gone.
  void uneject_all();

  struct Counts {
    std::atomic<uint64_t> enforced{0}, overflow{0}, active{0};
    std::atomic<uint64_t> detected_by[7] = {}, enforced_by[7] = {};  // by Cause
  } counts;
  struct CheckCounts {
    std::atomic<uint64_t> attempts{0}, successes{0}, failures{0}, network_failures{0}, passive_failures{0}, healthy{0};
  } checks;
  std::atomic<bool> used{false};  // somebody connected to one of its hosts
  enum class Cause : uint8_t {
    Consecutive5xx,
    GatewayFailure,
    LocalFailure,
    SuccessRate,
    LocalSuccessRate,
    FailurePercentage,
    LocalFailurePercentage
  };
  static std::string_view name(Cause cause);  // as in Envoy's counters: "consecutive_5xx"

 private:
  using Hosts = std::unordered_map<net::Address, std::shared_ptr<HostShared>, AddressHash>;
  void eject(HostShared& host, const OutlierPolicy& policy, Cause cause, net::Clock::time_point now);
  void count_failure(std::atomic<uint32_t>& in_row, uint32_t limit, HostShared& host, const OutlierPolicy& policy,
                     Cause cause, net::Clock::time_point now);
  void local_failure(HostShared& host, const OutlierPolicy& policy, net::Clock::time_point now);
  void judge_rates(const OutlierPolicy& policy, HostShared::Monitor HostShared::* monitor, net::Clock::time_point now);
  void restore(HostShared& host);
  uint32_t roll(uint32_t below);

  std::atomic<uint32_t> version_{1};
  std::atomic<size_t> size_{0};
  std::mutex mutex_;
  Hosts hosts_;
  Rates external_, local_;
  uint64_t dice_ = 0x9e3779b97f4a7c15;
};

}  // namespace proxy
