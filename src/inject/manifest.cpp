// SPDX-License-Identifier: Apache-2.0
#include "inject/inject.h"

namespace inject {

namespace {

// The pod template inside an object that makes pods, or nullptr.
Json* template_of(Json& object) {
  std::string_view kind = base::text(object, "kind");
  std::vector<const char*> path;
  if (kind == "Deployment" || kind == "ReplicaSet" || kind == "StatefulSet" || kind == "DaemonSet" || kind == "Job" ||
      kind == "ReplicationController")
    path = {"spec", "template"};
  else if (kind == "CronJob")
    path = {"spec", "jobTemplate", "spec", "template"};
  else
    return nullptr;
  Json* at = &object;
  for (const char* step : path) {
    auto it = at->is_object() ? at->find(step) : at->end();
    if (!at->is_object() || it == at->end()) return nullptr;
    at = &*it;
  }
  return at->is_object() && at->contains("spec") ? at : nullptr;
}

}  // namespace

base::Result<Json> into_manifest(Json object, const Settings& settings) {
  if (!object.is_object())
    return base::fail(base::ErrorKind::Invalid, "a manifest is an object with apiVersion and kind");
  if (base::text(object, "kind") == "List" && object.contains("items") && object["items"].is_array()) {
    for (Json& item : object["items"]) item = TRY(into_manifest(std::move(item), settings));
    return object;
  }
  std::string ns(base::text(object, "metadata", "namespace"));
  if (ns.empty()) ns = "default";
  if (base::text(object, "kind") == "Pod") {
    if (!decide(object, ns, settings).inject) return object;
    Owner owner = owner_of(object);
    return into_pod(std::move(object), ns, owner, settings);
  }
  Json* pod = template_of(object);
  if (!pod || !decide(*pod, ns, settings).inject) return object;
  Owner owner{std::string(base::text(object, "apiVersion")), std::string(base::text(object, "kind")),
              std::string(base::text(object, "metadata", "name"))};
  *pod = TRY(into_pod(std::move(*pod), ns, owner, settings));
  return object;
}

}  // namespace inject
