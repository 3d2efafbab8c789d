// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

#include "base/json.h"

namespace google::protobuf {
class Descriptor;
}

namespace config {

// What `kubectl explain` says of one field of Istio's kinds, or of a whole type where `field` is empty.
struct Description {
  std::string_view type;   // the message, without "istio.": "networking.v1alpha3.HTTPRoute"
  std::string_view field;  // as in JSON: "directResponse"
  std::string_view text;
};

std::span<const Description> descriptions();

// The text; empty where there is none.
std::string_view description_of(const google::protobuf::Descriptor& type, std::string_view field);

// Adds to the structural schema of a message what is known of its fields, at every depth.
void describe(const google::protobuf::Descriptor& type, base::Json& schema);

}  // namespace config
