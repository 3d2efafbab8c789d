// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/controllers/cluster.h"

namespace localkube {

// Why that pod does not go to that node, in the scheduler's words, or "": a node
// that is cordoned, taints that the pod does not tolerate, labels that it asks
// for (nodeSelector, required node affinity), gates of the pod's own.
std::string why_not(const objects::Object& pod, const objects::Object& node);

// Binds every pod to the one node, unless something speaks against it; it looks
// again when that may have changed.
class Scheduler {
 public:
  Scheduler(Cluster& cluster, std::string node);

 private:
  static net::Task<bool> bind(Scheduler* self, std::string key);
  static net::Task<bool> leave_pending(Scheduler* self, objects::Object pod, std::string why);

  Cluster& cluster_;
  const std::string node_;
  WorkQueue queue_;
  base::Json seen_;  // what of the node decides
  Api::Handle pods_, nodes_;
};

}  // namespace localkube
