// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "mesh/analyze/rules.h"
#include "mesh/hostname.h"
#include "mesh/labels.h"

namespace mesh {
namespace {

using config::Severity;

bool has_service(const Snapshot& snapshot, std::string_view host) {
  return std::ranges::any_of(snapshot.services, [&](const auto& service) { return overlaps(host, service->hostname); });
}

bool selects_any(const Snapshot& snapshot, const Service& service, const config::networking::Subset& subset) {
  for (const Port& port : service.ports)
    for (const Endpoint& endpoint : snapshot.endpoints_of(service, port.number))
      if (has_all(endpoint.labels, subset.labels())) return true;
  return false;
}

}  // namespace

void find_unknown_rule_hosts(const Inputs& inputs, const Snapshot& snapshot, Findings& out) {
  for (const auto& rule : parsed<config::DestinationRule>(inputs, "networking.istio.io", "DestinationRule"))
    if (!has_service(snapshot, rule->spec.host()))
      out.push_back({Severity::Error, "SN0220", rule->meta.ref, "spec.host",
                     "Referenced host not found: \"" + rule->spec.host() + "\"",
                     "there is no Service or ServiceEntry of that name, so the rule does nothing"});
}

void find_empty_subsets(const Inputs& inputs, const Snapshot& snapshot, Findings& out) {
  for (const auto& rule : parsed<config::DestinationRule>(inputs, "networking.istio.io", "DestinationRule")) {
    const Service* service = snapshot.service(rule->spec.host());
    if (!service || service->resolution != Resolution::Endpoints) continue;
    for (int i = 0; i < rule->spec.subsets_size(); ++i) {
      const auto& subset = rule->spec.subsets(i);
      if (selects_any(snapshot, *service, subset)) continue;
      out.push_back({Severity::Warning, "SN0221", rule->meta.ref, "spec.subsets[" + std::to_string(i) + "]",
                     "subset " + subset.name() + " of DestinationRule " + rule->meta.ref.ns + "/" +
                         rule->meta.ref.name + " selects no ready pod of \"" + rule->spec.host() + "\"",
                     "requests for it get 503 until a pod carries its labels"});
    }
  }
}

}  // namespace mesh
