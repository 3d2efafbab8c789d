// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

#include "base/json.h"

namespace localkube {

// What `kubectl explain` says of a type, or of one of its members.
struct Description {
  std::string_view type;    // among components.schemas: "io.k8s.api.core.v1.Pod"
  std::string_view member;  // empty: the type itself
  std::string_view text;
};
std::span<const Description> descriptions();

// Puts the descriptions of the types that are in these components.schemas there.
void describe(base::Json& schemas);

}  // namespace localkube
