// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "localkube/api/api.h"

namespace localkube {

// A strategic merge patch on a built-in kind: lists of objects merge by key;
// $patch, $retainKeys, $setElementOrder and $deleteFromPrimitiveList are obeyed.
Answer<base::Json> strategic_patched(const objects::Kind& kind, const base::Json& document, const base::Json& patch);

// By which field the items of a list of a built-in kind are told apart, given
// the field names that lead to it ("spec", "template", "spec", "containers");
// empty: the list is replaced as a whole. "=" for a set of plain values.
std::string merge_key(const objects::Kind& kind, const std::vector<std::string>& path);

}  // namespace localkube
