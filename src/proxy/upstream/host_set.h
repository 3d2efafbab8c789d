// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "net/loop.h"
#include "proxy/upstream/hash_table.h"
#include "proxy/upstream/scheduler.h"

namespace proxy {

struct Cluster;
class Dice;
class Host;

// The hosts that one pick chooses from, e.g. the healthy ones of one priority,
// and whose turn it is among them. One per worker; holds no host alive.
class HostSet {
 public:
  struct Locality {
    std::vector<Host*> hosts;
    double weight = 0;  // 0: takes no traffic
  };
  struct Situation {
    const Cluster& config;
    Dice& dice;
    net::Clock::time_point now;
    std::optional<uint64_t> hash;
    uint32_t attempt = 0;  // for hashes: 0 is the first choice, later ones are others
    uint32_t active = 0;   // requests under way on the cluster
  };

  // Forgets whose turn it was, all but round robin's place. `localities` is empty where they do not count.
  void assign(const Cluster& config, std::vector<Host*> hosts, std::vector<Locality> localities, Dice& dice);
  bool empty() const { return hosts_.empty(); }
  const std::vector<Host*>& hosts() const { return hosts_; }
  Host* pick(const Situation& situation);

 private:
  Host* pick_plain(const Situation& situation);
  Host* pick_scheduled(const Situation& situation);
  Host* pick_hashed(const Situation& situation);
  void build_table(const Cluster& config);

  std::vector<Host*> hosts_;
  bool equal_weights_ = true;
  net::Clock::time_point slow_until_{};          // some of them are in slow start until then
  uint64_t next_ = 0;                            // round robin
  Scheduler turns_;                              // where weights differ; filled when first asked
  std::vector<std::unique_ptr<HostSet>> parts_;  // by locality
  std::vector<double> part_weights_;
  Scheduler part_turns_;
  HashTable table_;             // built when first asked
  std::vector<double> shares_;  // of each host, 1 in sum; with the table
};

// What a host's turn in the schedule weighs now: its weight, less for requests under way (least request), less
// while it is new (slow start).
double scheduled_weight(const Host& host, const Cluster& config, net::Clock::time_point now);

}  // namespace proxy
