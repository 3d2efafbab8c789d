// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/controllers/cluster.h"

namespace localkube {

// The Node object of this machine, its lease, and the Services that every
// cluster has: default/kubernetes and kube-system/kube-dns.
class NodeStatus {
 public:
  struct Facts {
    std::string name;
    std::string address;
    int64_t milli_cpus = 0;
    int64_t bytes = 0;
  };
  static Facts facts_of_this_machine();

  NodeStatus(Cluster& cluster, Facts facts);
  static net::Task<void> begin(NodeStatus* self);

 private:
  static net::Task<void> write_node(NodeStatus* self);
  static net::Task<void> write_services(NodeStatus* self);
  static net::Task<void> beat(NodeStatus* self);

  Cluster& cluster_;
  const Facts facts_;
  net::Timer heart_;
};

}  // namespace localkube
