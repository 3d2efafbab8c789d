// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <random>
#include <string>

#include "net/loop.h"
#include "proxy/upstream/check.h"
#include "proxy/upstream/shared.h"

namespace proxy {

class Configuration;

// Looks after the hosts of all clusters, once per process: active health checks
// and the intervals of outlier detection. Main thread.
class HealthChecks {
 public:
  HealthChecks(net::Loop& loop, Configuration& configuration) : loop_(loop), configuration_(configuration) {}
  ~HealthChecks();

  // A cluster came or changed; nullptr: it is gone.
  void set(const std::string& name, std::shared_ptr<const Cluster> cluster);
  // The endpoints of a cluster that `set` told of. Returns those that count: an endpoint that is not there any more
  // and still passes its checks stays, unless ignore_health_on_host_removal.
  std::shared_ptr<const EndpointSet> endpoints(const Cluster& cluster, std::shared_ptr<const EndpointSet> told);

 private:
  struct Target {
    Endpoint endpoint;
    std::shared_ptr<HostShared> host;
    bool removed = false;  // kept only as long as it passes
    bool gone = false;
    bool first = true;
    uint32_t passes = 0, failures = 0;  // in a row
  };
  using Targets = std::map<std::string, std::shared_ptr<Target>>;  // by address
  struct Watch {
    std::string name;
    std::shared_ptr<const Cluster> cluster;
    std::shared_ptr<const EndpointSet> told;
    Targets targets;
    std::unique_ptr<net::Timer> outliers;
    bool gone = false;
  };
  static net::Task<void> keep(HealthChecks& self, std::shared_ptr<Watch> watch, std::shared_ptr<Target> target);
  std::chrono::milliseconds judge(Watch& watch, Target& target, CheckResult result);
  CheckTarget target_of(const Watch& watch, const Target& target) const;
  std::shared_ptr<const EndpointSet> counting(const Watch& watch) const;
  void stop(Watch& watch);
  uint64_t below(uint64_t limit) { return limit ? dice_() % limit : 0; }

  net::Loop& loop_;
  Configuration& configuration_;
  std::map<std::string, std::shared_ptr<Watch>> watches_;
  std::mt19937_64 dice_{std::random_device{}()};
};

}  // namespace proxy
