// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace objects {

// The canonical text of a resource quantity, as Kubernetes stores it: no
// fraction, and the largest suffix that leaves none: "0.1" is "100m", "1.5Gi" is
// "1536Mi", "1000m" is "1". nullopt: no quantity.
std::optional<std::string> canonical_quantity(std::string_view text);

}  // namespace objects
