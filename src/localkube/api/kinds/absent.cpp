// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/kinds/document.h"
#include "localkube/api/kinds/kinds.h"

namespace localkube {

namespace {

constexpr const char* kNothingActs = "nothing in this one-machine cluster acts on it, so it is not stored";

void refuse(const Json& object, Problems& problems) {
  std::string why = kNothingActs;
  if (base::text(object, "kind") == "ReplicationController") why += ": use a Deployment";
  problems.forbidden("kind", why);
}

std::vector<Json> age_cells(const Json& object) { return {age_of(object)}; }

KindRow absent(std::string group, std::string kind, std::string singular, std::vector<std::string> short_names) {
  return {.group = std::move(group),
          .versions = {"v1"},
          .kind = std::move(kind),
          .plural = singular + (singular.ends_with('s') ? "es" : "s"),
          .singular = singular,
          .short_names = std::move(short_names),
          .columns = {{"Age"}},
          .rules = {.validate_create = refuse, .cells = age_cells}};
}

}  // namespace

std::vector<KindRow> absent_kinds() {
  KindRow controller = absent("", "ReplicationController", "replicationcontroller", {"rc"});
  controller.categories = {"all"};
  KindRow volume = absent("", "PersistentVolume", "persistentvolume", {"pv"});
  KindRow storage = absent("storage.k8s.io", "StorageClass", "storageclass", {"sc"});
  volume.namespaced = storage.namespaced = false;
  return {controller, volume, absent("", "ResourceQuota", "resourcequota", {"quota"}),
          absent("", "LimitRange", "limitrange", {"limits"}), storage};
}

}  // namespace localkube
