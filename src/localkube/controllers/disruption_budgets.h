// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/controllers/cluster.h"

namespace localkube {

// What a PodDisruptionBudget's status counts, from the pods that it selects. Pure, for tests.
struct BudgetCount {
  int64_t pods = 0;      // selected ones
  int64_t healthy = 0;   // of those: Ready, and neither going nor evicted just now
  int64_t replicas = 0;  // what their controllers are asked for

  struct Result {
    int64_t expected = 0;
    int64_t desired = 0;
    int64_t allowed = 0;
  };
  Result of(const base::Json& budget_spec) const;
};

// Keeps the status of PodDisruptionBudgets, which eviction asks: how many pods are healthy, how many have to be, and
// how many may therefore go.
class DisruptionBudgets {
 public:
  explicit DisruptionBudgets(Cluster& cluster);

 private:
  static net::Task<bool> reconcile(DisruptionBudgets* self, std::string key);
  void all_of(std::string_view ns);
  int64_t replicas_behind(const std::vector<objects::Object>& pods) const;

  Cluster& cluster_;
  WorkQueue queue_;
  std::vector<Api::Handle> watches_;
};

}  // namespace localkube
