// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config/specs.h"
#include "mesh/view.h"
#include "translate/envoy.h"

namespace translate {

// The traffic policy that holds for one port of one subset: the rule's own,
// overridden block by block by its port level, then by the subset's, then by
// the subset's port level. Blocks replace, they do not merge.
istio_api::TrafficPolicy policy_of(const config::DestinationRule* rule, std::string_view subset, int port);

// How connections to the rule's host are to be wrapped in requests; nullptr: not at all. A subset says so for itself
// alone, as istiod reads it.
const istio_api::TrafficPolicy_TunnelSettings* tunnel_of(const config::DestinationRule* rule, std::string_view subset);

const istio_api::Subset* subset_of(const config::DestinationRule* rule, std::string_view name);

}  // namespace translate
