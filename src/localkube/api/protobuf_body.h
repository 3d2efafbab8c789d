// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "localkube/api/api.h"

namespace localkube {

// A request body in Kubernetes' protobuf envelope ("k8s\0" and runtime.Unknown)
// as the JSON document it stands for.
Answer<base::Json> json_of_protobuf(std::string_view body);

}  // namespace localkube
