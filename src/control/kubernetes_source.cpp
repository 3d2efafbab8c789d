// SPDX-License-Identifier: Apache-2.0
#include "control/kubernetes_source.h"

namespace control {

KubernetesSource::KubernetesSource(kube::Client& client, Ingest& ingest, Seen seen)
    : ingest_(ingest), seen_(std::move(seen)), waiting_(mesh::Inputs::watched().size()) {
  for (const objects::Resource& resource : mesh::Inputs::watched())
    watchers_.push_back(std::make_unique<kube::Watcher>(
        client, resource, [this](kube::Watcher::Event event, const objects::Object& object) { take(event, object); }));
}

void KubernetesSource::take(kube::Watcher::Event event, const objects::Object& object) {
  switch (event) {
    case kube::Watcher::Event::Added:
    case kube::Watcher::Event::Modified:
      ingest_.put(object);
      break;
    case kube::Watcher::Event::Deleted:
      ingest_.erase(object.ref());
      break;
    case kube::Watcher::Event::Synced:
      if (--waiting_ == 0) ingest_.begin();
      return;
  }
  if (seen_) seen_(event, object);
}

}  // namespace control
