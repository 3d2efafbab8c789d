// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/controllers/cluster.h"

namespace localkube {

// Binds every pod to the one node, unless the pod asks for another one or for
// labels that it does not have.
class Scheduler {
 public:
  Scheduler(Cluster& cluster, std::string node);

 private:
  static net::Task<bool> bind(Scheduler* self, std::string key);
  static net::Task<bool> leave_pending(Scheduler* self, objects::Object pod, std::string why);

  Cluster& cluster_;
  const std::string node_;
  WorkQueue queue_;
  Api::Handle pods_;
};

}  // namespace localkube
