// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/api/kinds/document.h"

namespace localkube {

// More of the words in document.h: fields, with a value for what is absent.

template <typename... Keys>
int64_t number_or(const base::Json& value, int64_t otherwise, Keys... keys) {
  const base::Json* found = base::find(value, keys...);
  return found && found->is_number() ? found->get<int64_t>() : otherwise;
}

// The object there, or an empty one: for (auto& [key, value] : fields(config_map, "data").items())
template <typename... Keys>
const base::Json& fields(const base::Json& value, Keys... keys) {
  static const base::Json kNone = base::Json::object();
  const base::Json* found = base::find(value, keys...);
  return found && found->is_object() ? *found : kNone;
}

}  // namespace localkube
