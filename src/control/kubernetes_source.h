// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "control/ingest.h"
#include "kube/watcher.h"

namespace control {

// Feeds Ingest from a Kubernetes API server: one watch a table. `seen` is told
// of every object too, for those who keep things right in the cluster.
class KubernetesSource {
 public:
  using Seen = std::function<void(kube::Watcher::Event, const objects::Object&)>;
  KubernetesSource(kube::Client& client, Ingest& ingest, Seen seen);

 private:
  void take(kube::Watcher::Event event, const objects::Object& object);

  Ingest& ingest_;
  Seen seen_;
  size_t waiting_;
  std::vector<std::unique_ptr<kube::Watcher>> watchers_;
};

}  // namespace control
