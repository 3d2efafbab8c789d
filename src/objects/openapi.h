// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/json.h"
#include "objects/object.h"

namespace google::protobuf {
class Descriptor;
}

namespace objects {

// The OpenAPI v3 structural schema (apiextensions.k8s.io/v1) of a message in
// protobuf's JSON form: durations are strings, enums their names, wrappers the
// plain type; Struct and messages that contain themselves keep unknown fields.
base::Json structural_schema(const google::protobuf::Descriptor& type);

class Schema;

// The name of a type among an OpenAPI document's components.schemas, as
// Kubernetes gives them: "io.k8s.api.core.v1.Pod".
std::string schema_name(const google::protobuf::Descriptor& type);

// Adds the OpenAPI v3 schema of one of Kubernetes' own kinds, and of all types
// that it refers to, to components.schemas. Gives the kind's name there.
std::string add_kind_schema(const Kind& kind, const Schema& schema, Json& schemas);

}  // namespace objects
