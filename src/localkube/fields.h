// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/json.h"

namespace localkube {

// Fields of documents, with a value for what is absent or of another type.

template <typename... Keys>
int64_t number_or(const base::Json& value, int64_t otherwise, Keys... keys) {
  const base::Json* found = base::find(value, keys...);
  return found && found->is_number() ? found->get<int64_t>() : otherwise;
}
template <typename... Keys>
int64_t number(const base::Json& value, Keys... keys) {
  return number_or(value, 0, keys...);
}

template <typename... Keys>
bool flag(const base::Json& value, Keys... keys) {
  const base::Json* found = base::find(value, keys...);
  return found && found->is_boolean() && found->get<bool>();
}

template <typename... Keys>
std::string string(const base::Json& value, Keys... keys) {
  return std::string(base::text(value, keys...));
}

// The elements of an array, or none: for (const Json& port : items(spec, "ports"))
template <typename... Keys>
const base::Json& items(const base::Json& value, Keys... keys) {
  static const base::Json kNone = base::Json::array();
  const base::Json* found = base::find(value, keys...);
  return found && found->is_array() ? *found : kNone;
}

// The object there, or an empty one: for (auto& [key, value] : object(configmap, "data").items())
template <typename... Keys>
const base::Json& object(const base::Json& value, Keys... keys) {
  static const base::Json kNone = base::Json::object();
  const base::Json* found = base::find(value, keys...);
  return found && found->is_object() ? *found : kNone;
}

}  // namespace localkube
