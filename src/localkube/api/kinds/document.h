// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace localkube {

using base::Json;

// Small words for rules that read and fill documents.

// The value at a path of keys, to be changed; nullptr where it is not there.
template <typename... Keys>
Json* at(Json& value, Keys... keys) {
  return const_cast<Json*>(base::find(value, keys...));
}

// Sets what is absent or null.
inline void set_default(Json& object, const char* key, Json value) {
  Json& slot = object[key];
  if (slot.is_null()) slot = std::move(value);
}

// Calls for each item of the list at a path that is an object.
template <typename Call, typename... Keys>
void each_item(Json& value, Call call, Keys... keys) {
  Json* list = at(value, keys...);
  if (!list || !list->is_array()) return;
  for (Json& item : *list)
    if (item.is_object()) call(item);
}

// The items of the list there; none where it is absent.
template <typename... Keys>
const Json& items(const Json& value, Keys... keys) {
  static const Json none = Json::array();
  const Json* list = base::find(value, keys...);
  return list && list->is_array() ? *list : none;
}

template <typename... Keys>
int64_t number(const Json& value, Keys... keys) {
  const Json* found = base::find(value, keys...);
  return found && found->is_number() ? found->get<int64_t>() : 0;
}

template <typename... Keys>
bool truth(const Json& value, Keys... keys) {
  const Json* found = base::find(value, keys...);
  return found && found->is_boolean() && found->get<bool>();
}

template <typename... Keys>
std::string string_at(const Json& value, Keys... keys) {
  return std::string(base::text(value, keys...));
}

// "a=b,c=d", "<none>" for no labels.
std::string labels_text(const Json* labels);
// A metav1.LabelSelector as text, "<none>" where absent.
std::string selector_text(const Json* selector);
// How long ago a time stamp (RFC 3339) was, as kubectl prints: "5m12s"; "<unknown>" where empty.
std::string age_text(std::string_view time_stamp);
std::string duration_text(int64_t seconds);
// The age of the object itself.
std::string age_of(const Json& object);

// Seconds since 1970 of "2026-01-02T03:04:05Z" (with fraction or offset), or nullopt.
std::optional<int64_t> parse_time(std::string_view text);
std::string time_text(int64_t seconds);
std::string now_text();
std::string now_text_micro();

// "a,b" or "<none>".
std::string join_or_none(const std::vector<std::string>& pieces);

}  // namespace localkube
