// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/message.h>

#include <chrono>
#include <string>

#include "base/json.h"

namespace proxy {

// As protobuf's JSON has timestamps: UTC, to the millisecond, without a fraction of none.
std::string time_text(std::chrono::system_clock::time_point at);

// In protobuf's JSON with the schema's field names; what is sensitive reads "[redacted]". null: it cannot be printed.
base::Json json_of(const google::protobuf::Message& message);
// The resource with its "@type", as an Any in protobuf's JSON. A message that
// holds an Any of a type that is not linked in cannot be printed: then its type alone.
base::Json json_of(const std::string& type_url, const std::string& body);

}  // namespace proxy
