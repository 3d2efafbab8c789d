// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "mesh/analyze/rules.h"

namespace mesh {

// Kubernetes' own namespaces and the control plane's get no sidecars.
static bool is_system(const Snapshot& snapshot, std::string_view ns) {
  constexpr std::array<std::string_view, 4> kSystem = {"kube-system", "kube-public", "kube-node-lease",
                                                       "local-path-storage"};
  return ns == snapshot.mesh.root_namespace || std::ranges::find(kSystem, ns) != kSystem.end();
}

void find_namespaces_without_injection(const Inputs& inputs, const Snapshot& snapshot, Findings& out) {
  for (const auto& [place, entry] : inputs.table("", "Namespace")) {
    const std::string& ns = place.second;
    const objects::Labels labels = entry.object->labels();
    if (is_system(snapshot, ns) || labels.contains("istio-injection") || labels.contains("istio.io/rev")) continue;
    out.push_back({config::Severity::Info, "SN0240", entry.object->ref(), "metadata.labels",
                   "The namespace is not enabled for injection: its pods get no sidecar",
                   "'kubectl label namespace " + ns +
                       " istio-injection=enabled' enables it, '... istio-injection=disabled' "
                       "says that it shall stay so"});
  }
}

}  // namespace mesh
