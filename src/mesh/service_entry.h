// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "config/config.h"
#include "mesh/inputs.h"
#include "mesh/service.h"

namespace mesh {

// One Service for each host of a ServiceEntry.
std::vector<std::shared_ptr<const Service>> services_of(const config::ServiceEntry& entry);

// The endpoints of one of its ports: the inline ones, or what its
// workloadSelector finds among WorkloadEntries and pods of its namespace.
std::vector<Endpoint> endpoints_of(const config::ServiceEntry& entry, const Service& service, const Port& port,
                                   const Inputs& inputs);

std::shared_ptr<const Workload> workload_of(const config::WorkloadEntry& entry);

}  // namespace mesh
