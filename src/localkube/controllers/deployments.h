// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/controllers/cluster.h"

namespace localkube {

// How many pods each of a Deployment's ReplicaSets should have next: one step
// of a rollout, which never goes below replicas - maxUnavailable available pods
// nor above replicas + maxSurge in all. Pure, for tests.
struct RolloutStep {
  struct Set {
    int64_t replicas = 0;   // wanted of it now
    int64_t existing = 0;   // pods there are
    int64_t available = 0;  // of those
  };
  int64_t wanted = 0;
  int64_t max_surge = 0;
  int64_t max_unavailable = 0;
  Set fresh;
  std::vector<Set> old;  // the oldest first

  void advance();  // changes `replicas` of the sets
};

// Rolls Deployments out: a ReplicaSet for each revision of the pod template,
// scaled against each other, and the conditions that `rollout status` reads.
class Deployments {
 public:
  explicit Deployments(Cluster& cluster);

 private:
  struct Sets {
    std::optional<objects::Object> fresh;  // of the present template
    std::vector<objects::Object> old;      // by revision
  };
  static net::Task<bool> reconcile(Deployments* self, std::string key);
  static net::Task<bool> ensure_fresh(Deployments* self, objects::Object deployment, std::shared_ptr<Sets> sets);
  static net::Task<bool> roll(Deployments* self, objects::Object deployment, std::shared_ptr<Sets> sets);
  static net::Task<bool> recreate(Deployments* self, objects::Object deployment, std::shared_ptr<Sets> sets);
  static net::Task<bool> scale(Deployments* self, objects::Object deployment, objects::Object set, int64_t replicas);
  static net::Task<bool> write_status(Deployments* self, objects::Object deployment, std::shared_ptr<Sets> sets);
  static net::Task<bool> forget_old(Deployments* self, objects::Object deployment, std::shared_ptr<Sets> sets);
  std::shared_ptr<Sets> sets_of(const objects::Object& deployment) const;

  Cluster& cluster_;
  WorkQueue queue_;
  std::vector<Api::Handle> watches_;
};

// The annotations of a Deployment's newest ReplicaSet that has `present` ones: the Deployment's beside those
// that kubectl and its controller keep there for themselves, as `rollout history` shows them.
base::Json set_annotations(const objects::Object& deployment, const base::Json& present, const std::string& revision,
                           int64_t wanted, int64_t most);

// The letters that tell one pod template from another, in names and labels.
std::string template_hash(const base::Json& pod_template, int64_t collisions);

}  // namespace localkube
