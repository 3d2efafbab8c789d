// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <tuple>

#include "config/kinds.h"
#include "mesh/analyze/rules.h"

namespace mesh {

static void say_what_is_broken(const Inputs::Entry& entry, Findings& out) {
  const std::string left_out = entry.meanwhile.empty()
                                   ? "the " + entry.object->ref().kind + " is left out until it is mended"
                                   : "it is left out until it is mended, but for " + entry.meanwhile;
  for (config::Finding& finding : config::validate(*entry.object)) {
    if (finding.severity != config::Severity::Error) continue;
    finding.hint += (finding.hint.empty() ? "" : "; ") + left_out;
    out.push_back(std::move(finding));
  }
}

void find_broken_documents(const Inputs& inputs, Findings& out) {
  for (const config::IstioKind& kind : config::istio_kinds())
    for (const auto& [place, entry] : inputs.table(kind.group, kind.kind))
      if (!entry.error.empty()) say_what_is_broken(entry, out);
}

static void put_in_order(Findings& findings) {
  std::ranges::stable_sort(findings, [](const config::Finding& a, const config::Finding& b) {
    return std::tie(a.severity, a.object, a.path) < std::tie(b.severity, b.object, b.path);
  });
}

std::vector<config::Finding> analyze(const Inputs& inputs, const Snapshot& snapshot) {
  Findings out;
  find_broken_documents(inputs, out);
  find_shared_hosts(snapshot, out);
  find_unknown_destinations(inputs, snapshot, out);
  find_unknown_gateways(snapshot, out);
  find_hosts_outside_gateways(snapshot, out);
  find_unknown_rule_hosts(inputs, snapshot, out);
  find_empty_subsets(inputs, snapshot, out);
  find_idle_gateways(snapshot, out);
  find_ports_outside_services(snapshot, out);
  find_reserved_ports(snapshot, out);
  find_bad_credentials(snapshot, out);
  find_lost_claims(snapshot, out);
  find_namespaces_without_injection(inputs, snapshot, out);
  put_in_order(out);
  return out;
}

std::vector<config::Finding> analyze_all(const Inputs& inputs, const Snapshot& snapshot) {
  Findings out = analyze(inputs, snapshot);
  for (const config::IstioKind& kind : config::istio_kinds())
    for (const auto& [place, entry] : inputs.table(kind.group, kind.kind)) {
      const bool told = !entry.error.empty();
      for (config::Finding& finding : config::validate(*entry.object))
        if (!told || finding.severity != config::Severity::Error) out.push_back(std::move(finding));
    }
  put_in_order(out);
  return out;
}

}  // namespace mesh
