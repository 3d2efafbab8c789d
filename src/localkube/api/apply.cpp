// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/apply.h"

#include <set>

#include "base/strings.h"
#include "localkube/api/custom/custom_kind.h"
#include "localkube/api/kinds/document.h"
#include "objects/patch.h"

namespace localkube {

namespace {

// Which fields say who a list's item is; empty: the list is one value.
std::vector<std::string> list_keys(const KindRow& row, const std::string& version,
                                   const std::vector<std::string>& path) {
  if (!row.custom) {
    const objects::Schema* schema = objects::find_schema(row.object_kind(version));
    std::string key(schema ? objects::list_key(*schema, path) : std::string_view());
    if (key.empty()) return {};
    if (key == "port" || key == "containerPort") return {key, "protocol"};
    return {key};
  }
  auto it = row.custom->versions.find(version);
  const Json* schema = it == row.custom->versions.end() ? nullptr : &it->second.schema;
  for (const std::string& step : path) {
    if (!schema) return {};
    if (const Json* inner = base::find(*schema, "items")) schema = inner;
    const Json* next = base::find(*schema, "properties", step);
    schema = next ? next : base::find(*schema, "additionalProperties");
  }
  std::vector<std::string> keys;
  if (!schema) return keys;
  if (base::text(*schema, "x-kubernetes-list-type") == "set") return {"="};
  if (base::text(*schema, "x-kubernetes-list-type") != "map") return keys;
  for (const Json& key : items(*schema, "x-kubernetes-list-map-keys")) keys.push_back(key.get<std::string>());
  return keys;
}

// A step of a path as FieldsV1 writes it: f:name, k:{"name":"a"}, v:"x".
std::string item_step(const Json& item, const std::vector<std::string>& keys) {
  if (keys.front() == "=") return "v:" + item.dump();
  Json key = Json::object();
  for (const std::string& name : keys)
    if (const Json* value = base::find(item, name))
      key[name] = *value;
    else if (name == "protocol")
      key[name] = "TCP";
  return "k:" + key.dump();
}

bool not_owned(const std::vector<std::string>& path) {
  if (path.size() == 1) return path[0] == "apiVersion" || path[0] == "kind";
  static const std::set<std::string> server = {
      "name",       "namespace",     "uid",      "resourceVersion",   "creationTimestamp",
      "generation", "managedFields", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"};
  return path.size() == 2 && path[0] == "metadata" && server.contains(path[1]);
}

// A walk over documents and sets of fields in step with each other.
class Walk {
 public:
  Walk(const KindRow& row, const std::string& version) : row_(row), version_(version) {}

  // The set of fields that a document gives values for.
  Json fields_of(const Json& value) {
    Json fields = Json::object();
    if (value.is_object()) {
      for (const auto& [key, item] : value.items()) {
        path_.push_back(key);
        if (!not_owned(path_)) {
          Json below = fields_of(item);
          if (!(path_.size() == 1 && key == "metadata" && below.empty())) fields["f:" + key] = std::move(below);
        }
        path_.pop_back();
      }
    } else if (value.is_array()) {
      auto keys = list_keys(row_, version_, path_);
      if (keys.empty()) return fields;
      for (const Json& item : value) {
        Json below = item.is_object() ? fields_of(item) : Json::object();
        if (item.is_object()) below["."] = Json::object();
        fields[item_step(item, keys)] = std::move(below);
      }
    }
    return fields;
  }

  // Puts the applied values into the object.
  void merge(Json& object, const Json& applied) {
    if (applied.is_object() && object.is_object()) {
      for (const auto& [key, value] : applied.items()) {
        path_.push_back(key);
        if (!object.contains(key))
          object[key] = value;
        else
          merge(object[key], value);
        path_.pop_back();
      }
      return;
    }
    auto keys = applied.is_array() && object.is_array() ? list_keys(row_, version_, path_) : std::vector<std::string>();
    if (keys.empty()) {
      object = applied;
      return;
    }
    for (const Json& item : applied) {
      std::string step = item_step(item, keys);
      Json* same = nullptr;
      for (Json& one : object)
        if (item_step(one, keys) == step) same = &one;
      if (!same)
        object.push_back(item);
      else if (item.is_object())
        merge(*same, item);
    }
  }

  // Takes out what `old` names and neither `kept` set does.
  void let_go(Json& object, const Json& old, const std::vector<const Json*>& kept) {
    for (const auto& [step, below] : old.items()) {
      if (step == ".") continue;
      std::vector<const Json*> still;
      for (const Json* set : kept)
        if (const Json* found = base::find(*set, step)) still.push_back(found);
      if (step.starts_with("f:")) {
        std::string key = step.substr(2);
        if (!object.is_object() || !object.contains(key)) continue;
        path_.push_back(key);
        if (still.empty())
          object.erase(key);
        else
          let_go(object[key], below, still);
        path_.pop_back();
      } else if (object.is_array()) {
        auto keys = list_keys(row_, version_, path_);
        if (keys.empty()) continue;
        for (size_t i = 0; i < object.size(); ++i) {
          if (item_step(object[i], keys) != step) continue;
          if (still.empty())
            object.erase(i);
          else
            let_go(object[i], below, still);
          break;
        }
      }
    }
  }

  // Paths that both sets own where the applied value is another one.
  void conflicts(const Json& object, const Json& applied, const Json& owned, const std::string& at,
                 std::vector<std::string>& out) {
    if (applied.is_object() && object.is_object() && !(owned.empty() && !applied.empty() && object == applied)) {
      for (const auto& [key, value] : applied.items()) {
        const Json* theirs = base::find(owned, "f:" + key);
        if (!theirs || !object.contains(key)) continue;
        path_.push_back(key);
        conflicts(object[key], value, *theirs, at + "." + key, out);
        path_.pop_back();
      }
      return;
    }
    auto keys = applied.is_array() && object.is_array() ? list_keys(row_, version_, path_) : std::vector<std::string>();
    if (!keys.empty()) {
      for (const Json& item : applied) {
        std::string step = item_step(item, keys);
        const Json* theirs = base::find(owned, step);
        if (!theirs || !item.is_object()) continue;
        for (const Json& one : object)
          if (item_step(one, keys) == step) conflicts(one, item, *theirs, at + "[" + step.substr(2) + "]", out);
      }
      return;
    }
    if (object != applied) out.push_back(at);
  }

 private:
  const KindRow& row_;
  const std::string& version_;
  std::vector<std::string> path_;
};

// Removes from a set the leaves that another one names.
void subtract(Json& set, const Json& other) {
  for (const auto& [step, below] : other.items()) {
    auto it = set.find(step);
    if (it == set.end()) continue;
    if (below.empty() || it->empty()) {
      set.erase(it);
    } else {
      subtract(*it, below);
      if (it->empty() || (it->size() == 1 && it->contains("."))) set.erase(it);
    }
  }
}

Json entry(const KindRow& row, const std::string& version, const std::string& manager, Json fields) {
  return {{"manager", manager}, {"operation", "Apply"},     {"apiVersion", row.object_kind(version).api_version()},
          {"time", now_text()}, {"fieldsType", "FieldsV1"}, {"fieldsV1", std::move(fields)}};
}

}  // namespace

Json owned_by(const KindRow& row, const std::string& version, const Json& document, const std::string& manager) {
  return Json::array({entry(row, version, manager, Walk(row, version).fields_of(document))});
}

Answer<Applied> apply(const KindRow& row, const std::string& version, const Json& current, const Json& wanted,
                      const Call& call) {
  Walk walk(row, version);
  Json fields = walk.fields_of(wanted), mine = Json::object(), others = Json::array();
  for (const Json& one : items(current, "metadata", "managedFields")) {
    if (base::text(one, "manager") == call.field_manager && base::text(one, "operation") == "Apply")
      mine = one.value("fieldsV1", Json::object());
    else
      others.push_back(one);
  }
  std::vector<std::string> sentences;
  Json causes = Json::array();
  for (Json& other : others) {
    std::vector<std::string> paths;
    walk.conflicts(current, wanted, other.value("fieldsV1", Json::object()), "", paths);
    if (paths.empty()) continue;
    if (call.force) {
      subtract(other["fieldsV1"], fields);
      continue;
    }
    for (const std::string& path : paths) {
      std::string text = "conflict with " + in_quotes(base::text(other, "manager"));
      sentences.push_back(text + ": " + path);
      causes.push_back({{"reason", "FieldManagerConflict"}, {"message", text}, {"field", path}});
    }
  }
  if (!sentences.empty())
    return std::unexpected(Refusal{409,
                                   "Conflict",
                                   "Apply failed with " + std::to_string(sentences.size()) +
                                       (sentences.size() == 1 ? " conflict: " : " conflicts: ") +
                                       base::join(sentences, "\n"),
                                   {{"causes", std::move(causes)}}});
  Applied result{current, Json::array()};
  std::vector<const Json*> kept = {&fields};
  std::vector<Json> held;
  for (const Json& other : others) held.push_back(other.value("fieldsV1", Json::object()));
  for (const Json& set : held) kept.push_back(&set);
  walk.let_go(result.object, mine, kept);
  Json document = wanted;
  document.erase("apiVersion");
  document.erase("kind");
  walk.merge(result.object, document);
  for (Json& other : others)
    if (!other["fieldsV1"].empty()) result.managed_fields.push_back(std::move(other));
  result.managed_fields.push_back(entry(row, version, call.field_manager, std::move(fields)));
  // Applying the same again is no change: the old time stays.
  const Json& before = items(current, "metadata", "managedFields");
  Json& last = result.managed_fields.back();
  for (const Json& one : before)
    if (base::text(one, "manager") == call.field_manager && one.value("fieldsV1", Json()) == last["fieldsV1"])
      last["time"] = one.value("time", Json());
  if (before.size() == result.managed_fields.size() &&
      std::is_permutation(before.begin(), before.end(), result.managed_fields.begin()))
    result.managed_fields = before;
  return result;
}

}  // namespace localkube
