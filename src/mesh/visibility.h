// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace mesh {

// exportTo: "*" everywhere, "." the owner's namespace, "~" nowhere, else a
// namespace. An empty list means the mesh's default, and an empty default "*".
template <typename List>
bool exported(const List& export_to, const std::vector<std::string>& otherwise, std::string_view owner,
              std::string_view to) {
  auto allows = [&](const std::string& entry) { return entry == "*" || entry == to || (entry == "." && owner == to); };
  if (!export_to.empty()) return std::ranges::any_of(export_to, allows);
  return otherwise.empty() || std::ranges::any_of(otherwise, allows);
}

}  // namespace mesh
