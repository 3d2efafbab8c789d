// SPDX-License-Identifier: Apache-2.0
#include "proxy/route/metadata.h"

#include <algorithm>

namespace proxy {

base::Json& Metadata::space(std::string_view name) {
  for (auto& [known, object] : spaces_)
    if (known == name) return object;
  return spaces_.emplace_back(std::string(name), base::Json::object()).second;
}

static void merge_into(base::Json& to, const base::Json& from) {
  for (const auto& [key, value] : from.items()) {
    base::Json& there = to[key];
    if (there.is_object() && value.is_object())
      merge_into(there, value);
    else
      there = value;
  }
}

void Metadata::merge(std::string_view name, const base::Json& object) {
  if (object.is_object()) merge_into(space(name), object);
}

const base::Json* Metadata::find(std::string_view name, std::span<const std::string> path) const {
  const base::Json* at = nullptr;
  for (const auto& [known, object] : spaces_)
    if (known == name) at = &object;
  for (const std::string& key : path) {
    if (!at || !at->is_object()) return nullptr;
    auto it = at->find(key);
    at = it == at->end() ? nullptr : &*it;
  }
  return at;
}

bool ValueMatch::matches(const base::Json* found) const {
  if (kind == Kind::Present) return found != nullptr && flag;
  if (kind == Kind::Any)
    return std::any_of(parts.begin(), parts.end(), [&](const ValueMatch& part) { return part.matches(found); });
  if (!found) return false;
  switch (kind) {
    case Kind::Null:
      return found->is_null();
    case Kind::Number: {
      if (!found->is_number()) return false;
      double number = found->get<double>();
      return least == below ? number == least : number >= least && number < below;
    }
    case Kind::Text:
      return found->is_string() && text.matches(found->get_ref<const std::string&>());
    case Kind::Bool:
      return found->is_boolean() && found->get<bool>() == flag;
    case Kind::List:
      return found->is_array() && std::any_of(found->begin(), found->end(),
                                              [&](const base::Json& element) { return parts[0].matches(&element); });
    default:
      return false;
  }
}

}  // namespace proxy
