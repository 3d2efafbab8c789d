// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/byte_stream.h"
#include "net/loop.h"
#include "proxy/upstream/cluster_config.h"

namespace proxy {

class Configuration;

// Keeps the endpoints of STRICT_DNS and LOGICAL_DNS clusters right. Main
// thread. Each name is asked for by itself, again after dns_refresh_rate or the
// answer's time to live; one that cannot be resolved keeps the addresses it had,
// one that nobody has loses them (not LOGICAL_DNS).
class DnsClusters {
 public:
  DnsClusters(net::Loop& loop, Configuration& configuration) : loop_(loop), configuration_(configuration) {}
  ~DnsClusters();

  // nullptr: it is gone.
  void set(const std::string& name, std::shared_ptr<const Cluster> cluster);

  // How often a cluster's names were asked for, and what came of it.
  struct Updates {
    uint64_t attempts = 0, answers = 0, failures = 0, empty = 0;
  };
  const Updates* updates(const std::string& name) const;  // nullptr: no such cluster

 private:
  struct Watch {
    std::shared_ptr<const Cluster> cluster;
    Updates updates = {};
    std::vector<std::vector<net::Address>> addresses = {};  // of Cluster::dns_names
    bool gone = false;
  };
  static net::Task<void> keep(DnsClusters& self, std::shared_ptr<Watch> watch, size_t name);
  void publish(const Watch& watch);

  net::Loop& loop_;
  Configuration& configuration_;
  std::unordered_map<std::string, std::shared_ptr<Watch>> watches_;
};

// Of an answer the addresses that the cluster wants, in a stable order. LOGICAL_DNS: the one in use comes first as
// long as it is in the answer.
std::vector<net::Address> wanted_addresses(const Cluster& cluster, std::vector<net::Address> answer,
                                           const std::vector<net::Address>& known);

}  // namespace proxy
