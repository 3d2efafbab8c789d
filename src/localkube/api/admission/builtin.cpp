// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/admission/builtin.h"

#include "base/strings.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/metadata.h"

namespace localkube {

namespace {

constexpr const char* kTokenPath = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr const char* kTokenVolume = "kube-api-access-";
constexpr int kTolerationSeconds = 300;
constexpr int kTokenSeconds = 3607;

Json token_volume(const std::string& name) {
  Json field = {{"path", "namespace"}, {"fieldRef", {{"apiVersion", "v1"}, {"fieldPath", "metadata.namespace"}}}};
  Json root = {{"name", "kube-root-ca.crt"}, {"items", Json::array({{{"key", "ca.crt"}, {"path", "ca.crt"}}})}};
  Json sources = Json::array();
  sources.push_back({{"serviceAccountToken", {{"expirationSeconds", kTokenSeconds}, {"path", "token"}}}});
  sources.push_back({{"configMap", std::move(root)}});
  sources.push_back({{"downwardAPI", {{"items", Json::array({std::move(field)})}}}});
  return {{"name", name}, {"projected", {{"defaultMode", 0644}, {"sources", std::move(sources)}}}};
}

bool mounts_token(const Json& container) {
  for (const Json& mount : items(container, "volumeMounts"))
    if (base::text(mount, "mountPath") == kTokenPath) return true;
  return false;
}

void mount_token(Json& spec) {
  std::string name;
  for (const Json& volume : items(spec, "volumes"))
    if (base::text(volume, "name").starts_with(kTokenVolume)) name = string_at(volume, "name");
  bool needed = false;
  for (const char* list : {"containers", "initContainers"})
    for (const Json& container : items(spec, list)) needed = needed || !mounts_token(container);
  if (!needed) return;
  if (name.empty()) {
    name = kTokenVolume + random_suffix();
    if (!spec["volumes"].is_array()) spec["volumes"] = Json::array();
    spec["volumes"].push_back(token_volume(name));
  }
  for (const char* list : {"containers", "initContainers"})
    each_item(
        spec,
        [&](Json& container) {
          if (mounts_token(container)) return;
          if (!container["volumeMounts"].is_array()) container["volumeMounts"] = Json::array();
          container["volumeMounts"].push_back({{"name", name}, {"readOnly", true}, {"mountPath", kTokenPath}});
        },
        list);
}

Answer<void> use_account(const Store& store, const std::string& ns, Json& pod, bool& missing) {
  Json& spec = pod["spec"];
  std::string name = string_at(spec, "serviceAccountName");
  if (name.empty()) name = "default";
  spec["serviceAccountName"] = name;
  spec["serviceAccount"] = name;
  const Record* account = store.find("serviceaccounts", ns, name);
  if (!account) {
    missing = true;
    return std::unexpected(forbidden(
        {"", "v1", "pods"}, base::text(pod, "metadata", "name"),
        "error looking up service account " + ns + "/" + name + ": serviceaccount " + in_quotes(name) + " not found"));
  }
  const Json& document = *account->object;
  if (items(spec, "imagePullSecrets").empty() && !items(document, "imagePullSecrets").empty())
    spec["imagePullSecrets"] = items(document, "imagePullSecrets");
  const Json* wanted = base::find(spec, "automountServiceAccountToken");
  if (!wanted) wanted = base::find(document, "automountServiceAccountToken");
  if (!wanted || *wanted != false) mount_token(spec);
  return {};
}

void tolerate(Json& spec) {
  for (const char* key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
    bool there = false;
    for (const Json& one : items(spec, "tolerations"))
      there = there || ((base::text(one, "key") == key || base::text(one, "key").empty()) &&
                        (base::text(one, "effect") == "NoExecute" || base::text(one, "effect").empty()));
    if (there) continue;
    if (!spec["tolerations"].is_array()) spec["tolerations"] = Json::array();
    spec["tolerations"].push_back(
        {{"key", key}, {"operator", "Exists"}, {"effect", "NoExecute"}, {"tolerationSeconds", kTolerationSeconds}});
  }
}

Answer<void> prioritize(const Store& store, Json& pod) {
  Json& spec = pod["spec"];
  std::string name = string_at(spec, "priorityClassName");
  int64_t value = 0;
  std::string preemption = "PreemptLowerPriority";
  if (name == "system-cluster-critical") {
    value = 2000000000;
  } else if (name == "system-node-critical") {
    value = 2000001000;
  } else if (!name.empty()) {
    const Record* found = store.find("scheduling.k8s.io/priorityclasses", "", name);
    if (!found)
      return std::unexpected(forbidden({"", "v1", "pods"}, base::text(pod, "metadata", "name"),
                                       "no PriorityClass with name " + name + " was found"));
    value = number(*found->object, "value");
    if (std::string said = string_at(*found->object, "preemptionPolicy"); !said.empty()) preemption = said;
  }
  spec["priority"] = value;
  set_default(spec, "preemptionPolicy", preemption);
  return {};
}

}  // namespace

Answer<void> check_namespace(const Store& store, const Review& review) {
  if (review.operation != "CREATE" || !review.row->namespaced) return {};
  const Record* record = store.find("namespaces", "", review.ns);
  if (!record) return std::unexpected(not_found({"", "v1", "namespaces"}, review.ns));
  if (!base::find(*record->object, "metadata", "deletionTimestamp")) return {};
  Refusal refusal =
      forbidden(review.row->resource(review.version), review.name,
                "unable to create new content in namespace " + review.ns + " because it is being terminated");
  refusal.details["causes"] = Json::array({{{"reason", "NamespaceTerminating"},
                                            {"message", "namespace " + review.ns + " is being terminated"},
                                            {"field", "metadata.namespace"}}});
  return std::unexpected(std::move(refusal));
}

Answer<void> complete_pod(const Store& store, const std::string& ns, Json& pod, bool& missing_account) {
  TRY(use_account(store, ns, pod, missing_account));
  tolerate(pod["spec"]);
  return prioritize(store, pod);
}

}  // namespace localkube
