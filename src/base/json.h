// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace base {

using Json = nlohmann::json;

inline constexpr int kMaxDocumentDepth = 128;

// One JSON text (RFC 8259). Errors name line and column. Nesting deeper than
// kMaxDocumentDepth and trailing bytes are refused; a repeated key is refused
// when `duplicates` says so, else the last one wins.
enum class Duplicates { Allow, Refuse };
Result<Json> parse_json(std::string_view text, Duplicates duplicates = Duplicates::Allow);

// The same, and which keys were there twice, as paths: "metadata.name", "spec.ports[0].port".
struct JsonDocument {
  Json value;  // the last of repeated keys
  std::vector<std::string> duplicates;
};
Result<JsonDocument> parse_json_document(std::string_view text);

// All documents of a YAML stream as JSON values, with YAML 1.1's plain scalars
// as kubectl reads them (true/false, integers, floats, null; quoted ones are
// strings). Empty documents are left out. Aliases are expanded up to a limit.
Result<std::vector<Json>> parse_yaml(std::string_view text);

// Block-style YAML of one value, keys in order, as `kubectl -o yaml` prints.
std::string to_yaml(const Json& value);

// The value at a path of object keys, or nullptr: find(pod, "spec", "nodeName").
template <typename... Keys>
const Json* find(const Json& value, Keys... keys) {
  const Json* at = &value;
  for (std::string_view key : {std::string_view(keys)...}) {
    if (!at->is_object()) return nullptr;
    auto it = at->find(key);
    if (it == at->end()) return nullptr;
    at = &*it;
  }
  return at;
}

// The string there, or `otherwise` where it is absent or no string.
template <typename... Keys>
std::string_view text(const Json& value, Keys... keys) {
  const Json* found = find(value, keys...);
  return found && found->is_string() ? std::string_view(found->get_ref<const std::string&>()) : std::string_view();
}

}  // namespace base
