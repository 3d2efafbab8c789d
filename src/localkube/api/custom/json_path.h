// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace localkube {

// The values at a JSON path as CRDs write them: ".spec.hosts", ".a['b.c'][0]",
// ".items[*].name", ".conditions[?(@.type==\"Ready\")].status". Unknown paths and
// paths that do not parse give nothing.
std::vector<const base::Json*> values_at(const base::Json& root, std::string_view path);

// The single value there, or nullptr.
const base::Json* value_at(const base::Json& root, std::string_view path);

// Sets the value at a path of plain keys, making objects on the way.
void set_value_at(base::Json& root, std::string_view path, base::Json value);

}  // namespace localkube
