// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "net/byte_stream.h"
#include "net/loop.h"
#include "proxy/upstream/cluster_config.h"

namespace proxy {

class Configuration;

// Keeps the endpoints of STRICT_DNS and LOGICAL_DNS clusters right. Main
// thread. A name that cannot be resolved keeps the addresses it had.
class DnsClusters {
 public:
  DnsClusters(net::Loop& loop, Configuration& configuration) : loop_(loop), configuration_(configuration) {}

  // nullptr: it is gone.
  void set(const std::string& name, std::shared_ptr<const Cluster> cluster);

 private:
  struct Watch {
    std::shared_ptr<const Cluster> cluster;
    std::unordered_map<std::string, std::vector<net::Address>> addresses;  // by host name
    bool gone = false;
  };
  static net::Task<void> keep(DnsClusters& self, std::shared_ptr<Watch> watch);
  void publish(const Watch& watch);

  net::Loop& loop_;
  Configuration& configuration_;
  std::unordered_map<std::string, std::shared_ptr<Watch>> watches_;
};

}  // namespace proxy
