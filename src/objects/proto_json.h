// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/json.h"

namespace google::protobuf {
class Message;
}

namespace objects {

// JSON and messages, by protobuf's JSON mapping: names in lowerCamelCase (the
// .proto's own names are read too), durations as "10s", enums by name. Unknown
// fields and wrong types are errors that name the field's path: 'unknown field
// "http[0].rout"'.
base::Result<void> from_json(const base::Json& json, google::protobuf::Message& message);
base::Json to_json(const google::protobuf::Message& message);

}  // namespace objects
