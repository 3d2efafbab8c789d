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

const istio_api::Subset* subset_of(const config::DestinationRule* rule, std::string_view name);

}  // namespace translate
