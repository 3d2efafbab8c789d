// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

namespace cli {

// How many letters must be changed, added or left out to make one word of the other.
size_t distance(std::string_view a, std::string_view b);

// Whether one may be a slip for the other.
inline bool near(std::string_view a, std::string_view b) {
  return distance(a, b) <= (a.size() / 2 < 2 ? a.size() / 2 : 2);
}

}  // namespace cli
