// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/controllers/cluster.h"
#include "localkube/network/service_rules.h"

namespace localkube {

// Keeps the node's packet rules as Services and their EndpointSlices say.
class ServiceProxy {
 public:
  ServiceProxy(Cluster& cluster, ServiceRules& rules);

 private:
  void look();

  Cluster& cluster_;
  ServiceRules& rules_;
  bool asked_ = false;
  std::vector<Api::Handle> watches_;
};

// Pure, for tests.
std::vector<ServicePort> service_ports_of(const std::vector<objects::Object>& services,
                                          const std::vector<objects::Object>& slices);

}  // namespace localkube
