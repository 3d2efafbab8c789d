// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "mesh/snapshot.h"

namespace mesh {

// What of the mesh clients of one namespace can call and which VirtualServices
// they obey: everything exported to them, or what their Sidecar lets through.
struct Egress {
  std::vector<Shared<Service>> services;
  base::StringMap<Shared<Service>> by_hostname;
  std::vector<Shared<config::VirtualService>> virtual_services;
};

Egress egress_of(const Snapshot& snapshot, const std::string& ns, const config::Sidecar* sidecar);

// The Sidecar that a workload obeys: the oldest that selects it, else its
// namespace's without a selector, else the root namespace's; nullptr: none.
Shared<config::Sidecar> sidecar_of(const Snapshot& snapshot, const std::string& ns, const objects::Labels& labels);

}  // namespace mesh
