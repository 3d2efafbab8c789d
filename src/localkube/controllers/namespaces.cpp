// SPDX-License-Identifier: Apache-2.0
#include "localkube/controllers/namespaces.h"

#include <map>

#include "base/strings.h"
#include "localkube/api/catalog.h"
#include "localkube/fields.h"

namespace localkube {

static constexpr const char* kRootMap = "kube-root-ca.crt";

static std::vector<objects::Resource> resources_of(const Api& api, bool namespaced_only) {
  static const Catalog built_in;
  std::vector<objects::Resource> out;
  std::set<std::string> tables;  // events are shown by two groups
  for (const KindPointer& row : built_in.all())
    if ((row->namespaced || !namespaced_only) && tables.insert(row->stored_in()).second) out.push_back(row->resource());
  for (const objects::Object& crd : api.list(kinds::kCrds)) {
    if (namespaced_only && base::text(crd.spec(), "scope") != "Namespaced") continue;
    for (const base::Json& version : items(crd.spec(), "versions")) {
      if (!truth(version, "served")) continue;
      out.push_back(
          {string_at(crd.spec(), "group"), string_at(version, "name"), string_at(crd.spec(), "names", "plural")});
      break;
    }
  }
  return out;
}

std::vector<objects::Resource> namespaced_resources(const Api& api) { return resources_of(api, true); }
std::vector<objects::Resource> all_resources(const Api& api) { return resources_of(api, false); }

Namespaces::Namespaces(Cluster& cluster, std::string ca_certificate)
    : cluster_(cluster),
      ca_certificate_(std::move(ca_certificate)),
      queue_(cluster.loop, [this](std::string name) { return reconcile(this, std::move(name)); }) {
  watches_.push_back(cluster_.api.watch(
      kinds::kNamespaces, [this](const Change& change) { queue_.add(std::string(change.object.name())); }));
  for (const objects::Resource& resource : {kinds::kServiceAccounts, kinds::kConfigMaps, kinds::kPods})
    watches_.push_back(cluster_.api.watch(resource, [this](const Change& change) {
      if (change.type == Change::Type::Deleted) queue_.add(std::string(change.object.ns()));
    }));
}

net::Task<bool> Namespaces::reconcile(Namespaces* self, std::string name) {
  auto ns = self->cluster_.api.get(kinds::kNamespaces, {}, name);
  if (!ns) co_return true;
  bool done = false;
  if (ns->deleting())
    done = co_await empty_it(self, std::move(*ns));
  else
    done = co_await furnish(self, std::move(name));
  co_return done;
}

net::Task<bool> Namespaces::furnish(Namespaces* self, std::string name) {
  Api& api = self->cluster_.api;
  bool all = true;
  if (!api.get(kinds::kServiceAccounts, name, "default")) {
    base::Json document = {
        {"apiVersion", "v1"}, {"kind", "ServiceAccount"}, {"metadata", {{"name", "default"}, {"namespace", name}}}};
    auto made = co_await api.create(kinds::kServiceAccounts, objects::Object(std::move(document)));
    all = all && (made || made.error().code == 409);
  }
  base::Json data = {{"ca.crt", self->ca_certificate_}};
  auto map = api.get(kinds::kConfigMaps, name, kRootMap);
  if (!map) {
    base::Json document = {{"apiVersion", "v1"},
                           {"kind", "ConfigMap"},
                           {"metadata", {{"name", kRootMap}, {"namespace", name}}},
                           {"data", data}};
    auto made = co_await api.create(kinds::kConfigMaps, objects::Object(std::move(document)));
    all = all && (made || made.error().code == 409);
  } else if (fields(map->json(), "data") != data) {
    base::Json patch = {{"data", data}};
    auto patched = co_await api.patch(kinds::kConfigMaps, name, kRootMap, PatchType::Merge, std::move(patch));
    all = all && patched.has_value();
  }
  co_return all;
}

// What holds a namespace up, in the words of Kubernetes' namespace controller.
base::Json remaining_conditions(const Api& api, const std::string& name, base::Json conditions) {
  std::map<std::string, int> instances, finalizers;
  for (const objects::Resource& resource : namespaced_resources(api))
    for (const objects::Object& object : api.list(resource, name)) {
      instances[resource.plural + "." + resource.group]++;
      for (const base::Json& one : items(object.json(), "metadata", "finalizers"))
        if (one.is_string()) finalizers[one.get<std::string>()]++;
    }
  auto lines = [](const std::map<std::string, int>& counts, std::string_view verb) {
    std::vector<std::string> out;
    for (const auto& [what, count] : counts)
      out.push_back(what + " " + std::string(verb) + " " + std::to_string(count) + " resource instances");
    return base::join(out, ", ");
  };
  set_condition(conditions, {.type = "NamespaceDeletionDiscoveryFailure",
                             .reason = "ResourcesDiscovered",
                             .message = "All resources successfully discovered"});
  set_condition(conditions, {.type = "NamespaceDeletionGroupVersionParsingFailure",
                             .reason = "ParsedGroupVersions",
                             .message = "All legacy kube types successfully parsed"});
  set_condition(conditions, {.type = "NamespaceDeletionContentFailure",
                             .reason = "ContentDeleted",
                             .message = "All content successfully deleted, may be waiting on finalization"});
  bool some = !instances.empty(), held = !finalizers.empty();
  set_condition(conditions, {.type = "NamespaceContentRemaining",
                             .good = some,
                             .reason = some ? "SomeResourcesRemain" : "ContentRemoved",
                             .message = some ? "Some resources are remaining: " + lines(instances, "has")
                                             : "All content successfully removed"});
  set_condition(conditions,
                {.type = "NamespaceFinalizersRemaining",
                 .good = held,
                 .reason = held ? "SomeFinalizersRemain" : "ContentHasNoFinalizers",
                 .message = held ? "Some content in the namespace has finalizers remaining: " + lines(finalizers, "in")
                                 : "All content-preserving finalizers finished"});
  for (base::Json& one : conditions) one.erase("lastUpdateTime");  // which these do not have
  return conditions;
}

net::Task<void> Namespaces::tell(Namespaces* self, objects::Object ns) {
  std::string name(ns.name());
  base::Json before = ns.status().value("conditions", base::Json::array());
  base::Json conditions = remaining_conditions(self->cluster_.api, name, before);
  if (conditions == before) co_return;
  ns.json()["status"]["conditions"] = std::move(conditions);
  ns.json()["metadata"].erase("resourceVersion");
  auto told = co_await self->cluster_.api.update_status(kinds::kNamespaces, std::move(ns));
  (void)told;  // the next look tells again
}

net::Task<bool> Namespaces::empty_it(Namespaces* self, objects::Object ns) {
  Api& api = self->cluster_.api;
  std::string name(ns.name());
  size_t left = 0;
  for (const objects::Resource& resource : namespaced_resources(api))
    for (const objects::Object& object : api.list(resource, name)) {
      left++;
      if (object.deleting()) continue;
      std::string each(object.name());
      auto removed = co_await api.remove(resource, name, each);
      if (removed && !api.get(resource, name, each)) left--;
      if (!removed && removed.error().code == 404) left--;
    }
  if (left > 0) {
    co_await tell(self, std::move(ns));
    self->queue_.add_after(name, std::chrono::milliseconds(200));
    co_return true;
  }
  if (items(ns.spec(), "finalizers").empty()) co_return true;
  base::Json patch = {{"spec", {{"finalizers", base::Json::array()}}}};
  auto finished = co_await api.patch(kinds::kNamespaces, {}, name, PatchType::Merge, std::move(patch), "finalize");
  co_return finished || finished.error().code == 404;
}

}  // namespace localkube
