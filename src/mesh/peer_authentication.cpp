// SPDX-License-Identifier: Apache-2.0
#include "mesh/peer_authentication.h"

#include <algorithm>
#include <optional>

#include "config/specs.h"
#include "mesh/labels.h"

namespace mesh {
namespace {

using Mtls = config::security::PeerAuthentication_MutualTLS;

std::optional<MtlsMode> mode_of(const Mtls& mtls) {
  switch (mtls.mode()) {
    case Mtls::DISABLE:
      return MtlsMode::Disable;
    case Mtls::PERMISSIVE:
      return MtlsMode::Permissive;
    case Mtls::STRICT:
      return MtlsMode::Strict;
    default:
      return std::nullopt;
  }
}

bool selects(const config::PeerAuthentication& policy) {
  return policy.spec.has_selector() && !policy.spec.selector().match_labels().empty();
}

const config::PeerAuthentication* of_namespace(const Snapshot& snapshot, std::string_view ns) {
  auto found = snapshot.peer_authentications.find(ns);
  if (found == snapshot.peer_authentications.end()) return nullptr;
  for (const auto& policy : found->second)
    if (!selects(*policy)) return policy.get();
  return nullptr;
}

const config::PeerAuthentication* of_workload(const Snapshot& snapshot, std::string_view ns,
                                              const objects::Labels& labels) {
  auto found = snapshot.peer_authentications.find(ns);
  if (found == snapshot.peer_authentications.end()) return nullptr;
  for (const auto& policy : found->second)
    if (selects(*policy) && has_all(labels, policy->spec.selector().match_labels())) return policy.get();
  return nullptr;
}

}  // namespace

MtlsMode mtls_mode(const Snapshot& snapshot, std::string_view ns) {
  for (std::string_view scope : {ns, std::string_view(snapshot.mesh.root_namespace)})
    if (const auto* policy = of_namespace(snapshot, scope))
      if (auto mode = mode_of(policy->spec.mtls())) return *mode;
  return MtlsMode::Permissive;
}

MtlsMode mtls_mode(const Snapshot& snapshot, std::string_view ns, const objects::Labels& labels, int target_port) {
  if (const auto* policy = of_workload(snapshot, ns, labels)) {
    const auto& ports = policy->spec.port_level_mtls();
    if (auto port = ports.find(static_cast<uint32_t>(target_port)); port != ports.end())
      if (auto mode = mode_of(port->second)) return *mode;
    if (auto mode = mode_of(policy->spec.mtls())) return *mode;
  }
  return mtls_mode(snapshot, ns);
}

std::vector<int> ports_with_mtls_mode(const Snapshot& snapshot, std::string_view ns, const objects::Labels& labels) {
  std::vector<int> out;
  if (const auto* policy = of_workload(snapshot, ns, labels))
    for (const auto& [port, mtls] : policy->spec.port_level_mtls())
      if (port > 0 && port <= 65535) out.push_back(static_cast<int>(port));
  std::ranges::sort(out);
  return out;
}

}  // namespace mesh
