// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "mesh/view.h"
#include "translate/envoy.h"

namespace translate {

// One cluster's endpoints, as asked for.
struct Assignment {
  const mesh::Service* service;
  const mesh::Port* port;
  std::string_view subset;
  std::string cluster_name;
};

void fill_assignment(endpoints_v3::ClusterLoadAssignment& out, const mesh::View& view, const Assignment& assignment);

}  // namespace translate
