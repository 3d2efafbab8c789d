// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "localkube/api/catalog.h"

namespace localkube {

// The table of the built-in kinds, in the order of discovery. A file of this
// folder per concern; each gives its rows.
std::vector<KindRow> builtin_kinds();

KindRow namespaces();
KindRow nodes();
KindRow pods();
KindRow services();
KindRow endpoints();
KindRow endpoint_slices();
KindRow events();
KindRow new_events();  // events.k8s.io, the same objects
KindRow custom_resource_definitions();
std::vector<KindRow> workload_kinds();  // apps, batch
std::vector<KindRow> data_kinds();      // configmaps, secrets, serviceaccounts, ...
std::vector<KindRow> policy_kinds();    // RBAC, webhooks, budgets, leases, autoscaling, ...
// Kinds that tools list as a matter of course (cluster-info dump, apply --prune): there are none, and none can be made.
std::vector<KindRow> absent_kinds();

}  // namespace localkube
