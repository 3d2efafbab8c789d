// SPDX-License-Identifier: Apache-2.0
#include <ctime>

#include "localkube/api/kinds/document.h"
#include "localkube/api/registry.h"

namespace localkube {

namespace {

constexpr const char* kCrds = "apiextensions.k8s.io/customresourcedefinitions";

// How long a pod may take to end: none at all where nothing runs.
int64_t pod_grace(const Json& pod, std::optional<int64_t> asked) {
  std::string phase = string_at(pod, "status", "phase");
  if (base::text(pod, "spec", "nodeName").empty() || phase == "Succeeded" || phase == "Failed") return 0;
  if (asked) return std::max<int64_t>(*asked, 0);
  const Json* told = base::find(pod, "spec", "terminationGracePeriodSeconds");
  return told && told->is_number() ? told->get<int64_t>() : 30;
}

void propagate(Json& object, const std::string& propagation) {
  Json& metadata = object["metadata"];
  Json finalizers = items(metadata, "finalizers");
  std::erase_if(finalizers.get_ref<Json::array_t&>(), [&](const Json& one) {
    return !propagation.empty() && (one == "foregroundDeletion" || one == "orphan");
  });
  if (propagation == "Foreground") finalizers.push_back("foregroundDeletion");
  if (propagation == "Orphan") finalizers.push_back("orphan");
  if (finalizers.empty())
    metadata.erase("finalizers");
  else
    metadata["finalizers"] = std::move(finalizers);
}

// All objects of a kind whose definition goes.
net::Task<void> remove_all(Store& store, std::string table) {
  std::vector<std::pair<Key, int64_t>> doomed;
  store.each(table, "", [&](const std::string& ns, const std::string& name, const Record& record) {
    doomed.push_back({{table, ns, name}, record.revision});
    return true;
  });
  for (auto& [key, revision] : doomed) {
    auto gone = co_await store.remove(key, revision);
    (void)gone;
  }
}

}  // namespace

Answer<DeleteOrder> DeleteOrder::of(const Json& options) {
  DeleteOrder order;
  if (const Json* grace = base::find(options, "gracePeriodSeconds"); grace && grace->is_number_integer())
    order.grace_seconds = grace->get<int64_t>();
  order.propagation = string_at(options, "propagationPolicy");
  if (truth(options, "orphanDependents")) order.propagation = "Orphan";
  order.uid = string_at(options, "preconditions", "uid");
  order.resource_version = string_at(options, "preconditions", "resourceVersion");
  if (!order.propagation.empty() && order.propagation != "Background" && order.propagation != "Foreground" &&
      order.propagation != "Orphan") {
    Problems problems;
    problems.not_supported("propagationPolicy", in_quotes(order.propagation),
                           {"Foreground", "Background", "Orphan", "nil"});
    return std::unexpected(invalid({"meta.k8s.io", "v1", "DeleteOptions"}, "", problems));
  }
  return order;
}

net::Task<Answer<Deletion>> Registry::delete_object(Target target, DeleteOrder order, CallPointer call) {
  const KindRow& row = *target.row;
  bool is_namespace = row.stored_in() == "namespaces", is_pod = row.stored_in() == "pods";
  if (is_namespace && (target.name == "default" || target.name == "kube-system" || target.name == "kube-public"))
    co_return std::unexpected(forbidden(target.resource(), target.name, "this namespace may not be deleted"));
  for (int attempt = 0; attempt < 16; ++attempt) {
    std::optional<Record> record = store_.latest(key_of(target));
    if (!record) co_return std::unexpected(not_found(target.resource(), target.name));
    const Json& before = *record->object;
    std::string uid = string_at(before, "metadata", "uid");
    std::string version = string_at(before, "metadata", "resourceVersion");
    if (!order.uid.empty() && order.uid != uid) {
      objects::Resource as_kind{row.group, target.version, row.kind};
      co_return std::unexpected(conflict(as_kind, target.name,
                                         "the UID in the precondition (" + order.uid +
                                             ") does not match the UID in record (" + uid +
                                             "). The object might have been deleted and then recreated"));
    }
    if (!order.resource_version.empty() && order.resource_version != version)
      co_return std::unexpected(conflict({row.group, target.version, row.kind}, target.name,
                                         "the ResourceVersion in the precondition (" + order.resource_version +
                                             ") does not match the ResourceVersion in record (" + version +
                                             "). The object might have been modified"));
    Review review{.row = target.row,
                  .version = target.version,
                  .operation = "DELETE",
                  .ns = target.ns,
                  .name = target.name,
                  .subresource = {},
                  .object = nullptr,
                  .old_object = shown(row, target.version, before),
                  .options = {{"kind", "DeleteOptions"}, {"apiVersion", "meta.k8s.io/v1"}}};
    auto allowed = co_await admission_.validate(std::move(review), call);
    if (!allowed) co_return std::unexpected(std::move(allowed.error()));

    Json object = before;
    propagate(object, order.propagation);
    int64_t grace = is_pod ? pod_grace(object, order.grace_seconds) : 0;
    bool held = grace > 0 || !items(object, "metadata", "finalizers").empty() ||
                (is_namespace && !items(object, "spec", "finalizers").empty());
    if (call->dry_run) co_return Deletion{objects::Object(shown(row, target.version, object)), !held};
    if (!held) {
      if (row.stored_in() == kCrds)
        co_await remove_all(store_,
                            string_at(object, "spec", "group") + "/" + string_at(object, "spec", "names", "plural"));
      auto gone = co_await store_.remove(key_of(target), record->revision);
      if (gone) co_return Deletion{objects::Object(shown(row, target.version, before)), true};
      if (gone.error().kind == base::ErrorKind::Exhausted)
        co_return std::unexpected(cannot_store(gone.error().message));
      continue;
    }
    bool already = base::find(before, "metadata", "deletionTimestamp") != nullptr;
    if (already && number(before, "metadata", "deletionGracePeriodSeconds") <= grace &&
        items(before, "metadata", "finalizers") == items(object, "metadata", "finalizers"))
      co_return Deletion{objects::Object(shown(row, target.version, before)), false};
    object["metadata"]["deletionTimestamp"] = time_text(static_cast<int64_t>(std::time(nullptr)) + grace);
    if (!is_namespace) object["metadata"]["deletionGracePeriodSeconds"] = grace;
    if (row.counts_generations && !already)
      object["metadata"]["generation"] = number(before, "metadata", "generation") + 1;
    if (is_namespace) object["status"]["phase"] = "Terminating";
    auto written = co_await store_.put(key_of(target), record->revision, std::move(object));
    if (written) co_return Deletion{objects::Object(shown(row, target.version, *written->object)), false};
    if (written.error().kind == base::ErrorKind::Exhausted)
      co_return std::unexpected(cannot_store(written.error().message));
  }
  co_return std::unexpected(modified(target.resource(), target.name));
}

}  // namespace localkube
