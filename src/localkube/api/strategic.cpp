// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/strategic.h"

#include <algorithm>

#include "localkube/api/kinds/document.h"
#include "localkube/api/refusal.h"

namespace localkube {

namespace {

struct MergeKey {
  std::string_view list;
  std::string_view key;
  std::string_view parent = {};  // the field above, where the name alone does not tell
};

// The patch merge keys of the API's types. A field name means the same list
// wherever it appears, but for ports.
constexpr MergeKey kMergeKeys[] = {
    {"ports", "port", "spec"},         {"ports", "containerPort"},      {"containers", "name"},
    {"initContainers", "name"},        {"ephemeralContainers", "name"}, {"env", "name"},
    {"volumes", "name"},               {"volumeMounts", "mountPath"},   {"volumeDevices", "devicePath"},
    {"imagePullSecrets", "name"},      {"secrets", "name"},             {"conditions", "type"},
    {"hostAliases", "ip"},             {"ownerReferences", "uid"},      {"webhooks", "name"},
    {"topologySpreadConstraints", "topologyKey"},                       {"podIPs", "ip"},
    {"resourceClaims", "name"},        {"finalizers", "="},             {"taints", "key"},
    {"addresses", "type", "status"},   {"schedulingGates", "name"},     {"podCIDRs", "="},
};

class Merge {
 public:
  explicit Merge(const objects::Kind& kind) : kind_(kind) {}

  Json object(const Json& before, const Json& patch) {
    std::string directive = string_at(patch, "$patch");
    if (directive == "delete") return Json::object();
    Json after = directive == "replace" || !before.is_object() ? Json::object() : before;
    if (const Json* keep = base::find(patch, "$retainKeys"); keep && keep->is_array())
      for (auto it = after.begin(); it != after.end();)
        it = std::find(keep->begin(), keep->end(), Json(it.key())) == keep->end() ? after.erase(it) : std::next(it);
    for (const auto& [key, value] : patch.items()) {
      if (key.starts_with("$")) {
        constexpr std::string_view remove = "$deleteFromPrimitiveList/";
        if (key.starts_with(remove))
          if (Json* list = at(after, key.substr(remove.size())); list && list->is_array())
            std::erase_if(list->get_ref<Json::array_t&>(), [&](const Json& one) {
              return std::find(value.begin(), value.end(), one) != value.end();
            });
        continue;
      }
      if (value.is_null()) {
        after.erase(key);
        continue;
      }
      path_.push_back(key);
      const Json* old = base::find(after, key);
      if (value.is_object()) {
        Json merged = object(old ? *old : Json(), value);
        if (string_at(value, "$patch") == "delete")
          after.erase(key);
        else
          after[key] = std::move(merged);
      } else if (value.is_array()) {
        const Json* order = base::find(patch, "$setElementOrder/" + key);
        after[key] = list(old ? *old : Json::array(), value, order);
      } else {
        after[key] = value;
      }
      path_.pop_back();
    }
    // An order may come for a list that only loses or keeps items.
    constexpr std::string_view ordering = "$setElementOrder/";
    for (const auto& [key, order] : patch.items())
      if (key.starts_with(ordering) && !patch.contains(key.substr(ordering.size()))) {
        path_.push_back(key.substr(ordering.size()));
        if (Json* list = at(after, path_.back()); list && list->is_array()) reorder(*list, order, merge_key(kind_, path_));
        path_.pop_back();
      }
    return after;
  }

 private:
  static bool same(const Json& a, const Json& b, const std::string& key) {
    if (key == "=") return a == b;
    const Json* left = base::find(a, key);
    const Json* right = base::find(b, key);
    return left && right && *left == *right;
  }

  Json list(const Json& before, const Json& patch, const Json* order) {
    std::string key = merge_key(kind_, path_);
    bool replace = key.empty() || !before.is_array();
    for (const Json& item : patch) replace = replace || (item.is_object() && string_at(item, "$patch") == "replace" && item.size() == 1);
    Json after = Json::array();
    if (!replace) after = before;
    for (const Json& item : patch) {
      std::string directive = item.is_object() ? string_at(item, "$patch") : "";
      if (directive == "replace" && item.size() == 1) continue;
      auto& items = after.get_ref<Json::array_t&>();
      auto found = replace && key.empty() ? items.end()
                                          : std::find_if(items.begin(), items.end(), [&](const Json& one) { return same(one, item, key); });
      if (directive == "delete") {
        if (found != items.end()) items.erase(found);
      } else if (found == items.end()) {
        items.push_back(item.is_object() ? object(Json(), item) : item);
      } else if (item.is_object()) {
        *found = object(*found, item);
      }
    }
    if (!replace && order)
      reorder(after, *order, key);
    else if (!replace && key != "=")
      reorder(after, patch, key);
    return after;
  }

  // Items that the order names come in its order; others keep their place relative to those before them.
  static void reorder(Json& list, const Json& order, const std::string& key) {
    if (key.empty() || !order.is_array()) return;
    auto rank = [&](const Json& item) {
      for (size_t i = 0; i < order.size(); ++i)
        if (same(item, order[i], key)) return static_cast<int>(i);
      return -1;
    };
    auto& items = list.get_ref<Json::array_t&>();
    std::vector<Json> named, others;
    for (Json& item : items) (rank(item) < 0 ? others : named).push_back(std::move(item));
    std::stable_sort(named.begin(), named.end(), [&](const Json& a, const Json& b) { return rank(a) < rank(b); });
    items.clear();
    for (auto* part : {&named, &others})
      for (Json& item : *part) items.push_back(std::move(item));
  }

  const objects::Kind& kind_;
  std::vector<std::string> path_;
};

}  // namespace

std::string merge_key(const objects::Kind& kind, const std::vector<std::string>& path) {
  if (path.empty()) return {};
  if (path.back() == "ports" && kind.kind != "Service" && path.size() >= 2 && path[path.size() - 2] == "spec") return {};
  for (const MergeKey& one : kMergeKeys)
    if (one.list == path.back() && (one.parent.empty() || (path.size() >= 2 && path[path.size() - 2] == one.parent)))
      return std::string(one.key);
  return {};
}

Answer<Json> strategic_patched(const objects::Kind& kind, const Json& document, const Json& patch) {
  if (!patch.is_object())
    return std::unexpected(bad_request(
        "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"));
  return Merge(kind).object(document, patch);
}

}  // namespace localkube
