// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/json.h"

namespace google::protobuf {
class Descriptor;
}

namespace objects {

// The OpenAPI v3 structural schema (apiextensions.k8s.io/v1) of a message in
// protobuf's JSON form: durations are strings, enums their names, wrappers the
// plain type; Struct and messages that contain themselves keep unknown fields.
base::Json structural_schema(const google::protobuf::Descriptor& type);

}  // namespace objects
