// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "objects/member.h"
#include "objects/patch.h"

namespace objects {
namespace {

using List = Json::array_t;

constexpr std::string_view kOrder = "$setElementOrder/";
constexpr std::string_view kDeleteValues = "$deleteFromPrimitiveList/";

std::string_view directive(const Json& value) { return base::text(value, "$patch"); }

// The type of a field's items or members, where the schema goes on below it.
const Descriptor* below(const FieldDescriptor* field) {
  if (!field) return nullptr;
  const FieldDescriptor& value = field->is_map() ? value_field(*field) : *field;
  return value.type() == FieldDescriptor::TYPE_MESSAGE && form_of(value) == Form::Object ? value.message_type()
                                                                                         : nullptr;
}

std::string_view key_of(const FieldDescriptor* field) {
  if (!field || !field->is_repeated() || field->is_map()) return {};
  if (auto key = merge_key(*field); !key.empty()) return key;
  return merges_as_set(*field) ? kSetOfValues : std::string_view();
}

bool same(const Json& a, const Json& b, std::string_view key) {
  if (key == kSetOfValues) return a == b;
  const Json* left = base::find(a, key);
  const Json* right = base::find(b, key);
  return left && right && *left == *right;
}

// Where the item is in the list, or the list's size.
size_t place_of(const Json& item, const Json& list, std::string_view key) {
  size_t i = 0;
  while (i < list.size() && !same(item, list[i], key)) ++i;
  return i;
}

// Items that the order names come in its order. Of the others each stays before
// those named items that it stood before until now, else it comes last.
Json in_order(Json list, const Json& order, const Json& before, std::string_view key) {
  List named, others;
  for (Json& item : list.get_ref<List&>())
    (place_of(item, order, key) < order.size() ? named : others).push_back(std::move(item));
  auto by = [key](const Json& places) {
    return [key, &places](const Json& a, const Json& b) { return place_of(a, places, key) < place_of(b, places, key); };
  };
  std::stable_sort(named.begin(), named.end(), by(order));
  std::stable_sort(others.begin(), others.end(), by(before));
  List out;
  auto next = named.begin();
  auto other = others.begin();
  while (next != named.end() || other != others.end()) {
    bool take_other = next == named.end();
    if (!take_other && other != others.end()) {
      size_t place = place_of(*next, before, key);
      take_other = place < before.size() && place_of(*other, before, key) < place;
    }
    out.push_back(std::move(take_other ? *other++ : *next++));
  }
  return out;
}

Json merged_object(const Json& before, const Json& patch, const Descriptor* type);

// A patch's value where nothing was before: without its directives.
Json fresh(const Json& patch, const Descriptor* type) {
  return patch.is_object() ? merged_object(Json(), patch, type) : patch;
}

Json merged_list(const Json& before, const Json& patch, const Descriptor* type, std::string_view key) {
  auto replaces = [](const Json& item) { return directive(item) == "replace"; };
  bool replace = key.empty() || std::any_of(patch.begin(), patch.end(), replaces);
  Json after = replace || !before.is_array() ? Json::array() : before;
  List& items = after.get_ref<List&>();
  Json named = Json::array();  // the patch without its directives
  for (const Json& item : patch) {
    std::string_view order = directive(item);
    if (order == "replace") continue;
    auto found = replace ? items.end() : items.begin() + static_cast<std::ptrdiff_t>(place_of(item, after, key));
    if (order == "delete") {
      if (found != items.end()) items.erase(found);
      continue;
    }
    if (!replace) named.push_back(item);
    if (found == items.end()) {
      items.push_back(fresh(item, type));
    } else if (item.is_object()) {
      *found = merged_object(*found, item, type);
    }
  }
  return replace ? after : in_order(std::move(after), named, before.is_array() ? before : Json::array(), key);
}

void remove_values(Json& after, const std::string& list, const Json& values) {
  auto found = after.find(list);
  if (found == after.end() || !found->is_array() || !values.is_array()) return;
  std::erase_if(found->get_ref<List&>(),
                [&](const Json& one) { return std::find(values.begin(), values.end(), one) != values.end(); });
}

Json merged_object(const Json& before, const Json& patch, const Descriptor* type) {
  if (directive(patch) == "delete") return Json::object();
  Json after = directive(patch) == "replace" || !before.is_object() ? Json::object() : before;
  if (const Json* keep = base::find(patch, "$retainKeys"); keep && keep->is_array())
    for (auto it = after.begin(); it != after.end();)
      it = std::find(keep->begin(), keep->end(), Json(it.key())) == keep->end() ? after.erase(it) : std::next(it);

  for (const auto& [key, value] : patch.items())
    if (key.starts_with(kDeleteValues)) remove_values(after, key.substr(kDeleteValues.size()), value);
  for (const auto& [key, value] : patch.items()) {
    if (key.starts_with('$')) continue;
    if (value.is_null() || directive(value) == "delete") {
      after.erase(key);
      continue;
    }
    const FieldDescriptor* field = type ? find_member(*type, key) : nullptr;
    // A map's values are all of one type, whatever their key.
    const Descriptor* inner = below(field);
    auto old = after.find(key);
    Json was = old == after.end() ? Json() : *old;
    if (value.is_object()) {
      after[key] = merged_object(was, value, field && field->is_map() ? nullptr : inner);
    } else if (value.is_array()) {
      after[key] = merged_list(was, value, inner, key_of(field));
    } else {
      after[key] = value;
    }
  }
  for (const auto& [key, order] : patch.items()) {
    if (!key.starts_with(kOrder) || !order.is_array()) continue;
    std::string list = key.substr(kOrder.size());
    auto found = after.find(list);
    std::string_view by = key_of(type ? find_member(*type, list) : nullptr);
    if (found == after.end() || !found->is_array() || by.empty()) continue;
    const Json* was = base::find(before, list);
    *found = in_order(std::move(*found), order, was && was->is_array() ? *was : Json::array(), by);
  }
  return after;
}

}  // namespace

Json strategic_patched(const Schema& schema, const Json& document, const Json& patch) {
  return merged_object(document, patch, &schema.type());
}

std::string_view list_key(const Schema& schema, const std::vector<std::string>& path) {
  const Descriptor* type = &schema.type();
  const FieldDescriptor* field = nullptr;
  for (const std::string& step : path) {
    if (!type) return {};
    field = find_member(*type, step);
    type = below(field);
  }
  return key_of(field);
}

}  // namespace objects
