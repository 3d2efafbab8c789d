// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace base {

// What a plain (unquoted) YAML 1.1 scalar stands for: null, boolean, number, or
// itself. nullopt where it is a number that JSON cannot hold (.inf, .nan).
// After the resolution rules of go-yaml v2, which kubectl reads manifests with.
std::optional<Json> plain_scalar(std::string_view text);

}  // namespace base
