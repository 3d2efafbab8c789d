// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/api/catalog.h"

namespace localkube {

// The autoscaling/v1 Scale of an object, and the object with the replicas that
// a Scale wants.
Json scale_of(const KindRow& row, std::string_view version, const Json& object);
Answer<Json> with_scale(const KindRow& row, std::string_view version, const Json& object, const Json& scale);

}  // namespace localkube
