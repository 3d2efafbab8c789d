// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/controllers/cluster.h"

namespace localkube {

// Keeps as many pods as each ReplicaSet asks for: takes in orphans that match,
// makes what is missing, removes what is too much, the least useful first.
class ReplicaSets {
 public:
  explicit ReplicaSets(Cluster& cluster);

 private:
  static net::Task<bool> reconcile(ReplicaSets* self, std::string key);
  static net::Task<bool> make_pods(ReplicaSets* self, objects::Object set, int64_t count);
  static net::Task<void> make_pod(ReplicaSets* self, objects::Object set, net::Queue<bool> done);
  static net::Task<bool> remove_pods(ReplicaSets* self, objects::Object set, std::vector<objects::Object> pods);
  static net::Task<bool> write_status(ReplicaSets* self, objects::Object set);
  static net::Task<bool> adopt(ReplicaSets* self, objects::Object set);
  void on_pod(const Change& change);

  Cluster& cluster_;
  WorkQueue queue_;
  std::vector<Api::Handle> watches_;
};

}  // namespace localkube
