// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/kinds/document.h"
#include "localkube/api/kinds/kinds.h"

namespace localkube {

namespace {

constexpr const char* kNothingActs = "nothing in this one-machine cluster acts on it, so it is not stored";

void refuse(const Json& object, Problems& problems) {
  std::string why = kNothingActs;
  if (base::text(object, "kind") == "ReplicationController") why += ": use a Deployment";
  if (base::text(object, "kind") == "CertificateSigningRequest") why += ": no signer runs here";
  problems.forbidden("kind", why);
}

std::vector<Json> age_cells(const Json& object) { return {age_of(object)}; }

// There is none to show; the columns are those that kubectl prints elsewhere.
std::vector<Json> signing_cells(const Json& object) { return {age_of(object), "", "", "<none>", "Pending"}; }

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
  KindRow signing = absent("certificates.k8s.io", "CertificateSigningRequest", "certificatesigningrequest", {"csr"});
  signing.columns = {{"Age"}, {"SignerName"}, {"Requestor"}, {"RequestedDuration"}, {"Condition"}};
  signing.rules.cells = signing_cells;
  signing.namespaced = false;
  volume.namespaced = storage.namespaced = false;
  return {controller,
          volume,
          absent("", "ResourceQuota", "resourcequota", {"quota"}),
          absent("", "LimitRange", "limitrange", {"limits"}),
          storage,
          signing};
}

}  // namespace localkube
