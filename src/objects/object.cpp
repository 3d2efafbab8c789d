// SPDX-License-Identifier: Apache-2.0
#include "objects/object.h"

#include "base/strings.h"

namespace objects {
namespace {

Labels strings_of(const Json* map) {
  Labels out;
  if (!map || !map->is_object()) return out;
  for (const auto& [key, value] : map->items())
    if (value.is_string()) out.emplace(key, value.get<std::string>());
  return out;
}

}  // namespace

std::string Ref::text() const {
  std::string out = kind + " ";
  if (!ns.empty()) out += ns + "/";
  return out + name;
}

Kind Object::kind() const {
  auto group_and_version = base::cut(api_version(), '/');
  if (!group_and_version) return {"", std::string(api_version()), std::string(kind_name())};
  return {std::string(group_and_version->first), std::string(group_and_version->second), std::string(kind_name())};
}

Ref Object::ref() const {
  return {
      .group = kind().group, .kind = std::string(kind_name()), .ns = std::string(ns()), .name = std::string(name())};
}

int64_t Object::generation() const {
  const Json* found = base::find(json_, "metadata", "generation");
  return found && found->is_number_integer() ? found->get<int64_t>() : 0;
}

Labels Object::labels() const { return strings_of(base::find(json_, "metadata", "labels")); }
Labels Object::annotations() const { return strings_of(base::find(json_, "metadata", "annotations")); }

const Json& Object::part(std::string_view key) const {
  static const Json kEmpty = Json::object();
  const Json* found = base::find(json_, key);
  return found && found->is_object() ? *found : kEmpty;
}

}  // namespace objects
