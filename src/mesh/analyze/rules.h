// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "config/finding.h"
#include "config/specs.h"
#include "mesh/snapshot.h"

namespace mesh {

using Findings = std::vector<config::Finding>;

// One rule a function; each reads everything and says what it finds.
void find_broken_documents(const Inputs& inputs, Findings& out);
void find_shared_hosts(const Snapshot& snapshot, Findings& out);
void find_unknown_destinations(const Inputs& inputs, const Snapshot& snapshot, Findings& out);
void find_unknown_gateways(const Snapshot& snapshot, Findings& out);
void find_hosts_outside_gateways(const Snapshot& snapshot, Findings& out);
void find_unknown_rule_hosts(const Inputs& inputs, const Snapshot& snapshot, Findings& out);
void find_empty_subsets(const Inputs& inputs, const Snapshot& snapshot, Findings& out);
void find_ports_outside_services(const Snapshot& snapshot, Findings& out);
void find_bad_credentials(const Snapshot& snapshot, Findings& out);
void find_reserved_ports(const Snapshot& snapshot, Findings& out);
void find_lost_claims(const Snapshot& snapshot, Findings& out);
void find_namespaces_without_injection(const Inputs& inputs, const Snapshot& snapshot, Findings& out);
void find_idle_gateways(const Snapshot& snapshot, Findings& out);

// All parsed objects of one kind, in the order of their names.
template <typename T>
std::vector<Shared<T>> parsed(const Inputs& inputs, std::string_view group, std::string_view kind) {
  std::vector<Shared<T>> out;
  for (const auto& [place, entry] : inputs.table(group, kind))
    if (auto* found = std::get_if<Shared<T>>(&entry.parsed)) out.push_back(*found);
  return out;
}

}  // namespace mesh
