// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mesh/snapshot.h"

namespace mesh {

enum class MtlsMode { Disable, Permissive, Strict };

// The mode in which a workload takes connections to one of its ports: the
// port's own, else the workload's, the namespace's, the mesh's; PERMISSIVE
// where nobody says. Of several policies of one scope the oldest counts.
MtlsMode mtls_mode(const Snapshot& snapshot, std::string_view ns, const objects::Labels& labels, int target_port);

// The ports of which the workload's policy says a mode of their own, in order.
std::vector<int> ports_with_mtls_mode(const Snapshot& snapshot, std::string_view ns, const objects::Labels& labels);

// The mode of a whole namespace.
MtlsMode mtls_mode(const Snapshot& snapshot, std::string_view ns);

}  // namespace mesh
