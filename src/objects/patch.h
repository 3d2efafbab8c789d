// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "objects/schema.h"

namespace objects {

inline constexpr size_t kMostCopied = 3 << 20;     // bytes that a JSON patch may add by copying, as in Kubernetes
inline constexpr size_t kMostOperations = 10'000;  // of a JSON patch, as in Kubernetes

// RFC 6902. All of it, or an error and nothing: a test that fails, a path that
// is not there, what is no list of operations.
base::Result<Json> json_patched(const Json& document, const Json& patch);

// RFC 7386.
Json merge_patched(Json document, const Json& patch);

// Kubernetes' strategic merge patch: lists merge by the key that the schema
// gives them; $patch, $retainKeys, $setElementOrder and $deleteFromPrimitiveList
// are obeyed. Where the schema says nothing it is a merge patch.
Json strategic_patched(const Schema& schema, const Json& document, const Json& patch);

// How the list at a path of member names ("spec", "template", "spec",
// "containers") merges: by a member of its items, as a set of plain values
// (kSetOfValues), or, empty, as a whole.
inline constexpr std::string_view kSetOfValues = "=";
std::string_view list_key(const Schema& schema, const std::vector<std::string>& path);

}  // namespace objects
