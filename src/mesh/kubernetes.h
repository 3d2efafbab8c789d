// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "mesh/service.h"

namespace mesh {

// Kubernetes' documents read into what the mesh needs of them.
std::shared_ptr<const Service> service_of(const objects::Object& service, std::string_view cluster_domain);
std::shared_ptr<const Slice> slice_of(const objects::Object& endpoint_slice);
// nullptr for a pod that has no address, or has ended. `node` gives the locality; may be null.
std::shared_ptr<const Workload> workload_of(const objects::Object& pod, const objects::Object* node);
Locality locality_of(const objects::Object* node);
// "region/zone/subzone"
Locality locality_named(std::string_view text);

}  // namespace mesh
