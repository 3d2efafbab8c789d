// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "objects/object.h"

namespace mesh {

// True where every wanted label is there with its value. No wanted label: true.
template <typename Map>
bool has_all(const objects::Labels& labels, const Map& wanted) {
  for (const auto& [key, value] : wanted) {
    auto found = labels.find(key);
    if (found == labels.end() || found->second != value) return false;
  }
  return true;
}

}  // namespace mesh
