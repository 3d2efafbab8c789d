// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config/specs.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "mesh/view.h"
#include "translate/envoy.h"

namespace translate {

// Weights and priorities of the localities as seen from the proxy's own:
// `distribute` sets shares; else, where outlier detection can tell that a
// locality fails, the nearer ones come first.
void balance_localities(endpoints_v3::ClusterLoadAssignment& assignment, const mesh::View& view,
                        const istio_api::TrafficPolicy& policy);

}  // namespace translate
