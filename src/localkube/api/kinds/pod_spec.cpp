// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/kinds/pod.h"

namespace localkube {

namespace {

constexpr int kFileMode = 0644;

std::string pull_policy(std::string_view image) {
  if (image.find('@') != image.npos) return "IfNotPresent";
  size_t slash = image.rfind('/'), colon = image.rfind(':');
  bool tagged = colon != image.npos && (slash == image.npos || colon > slash);
  return !tagged || image.substr(colon + 1) == "latest" ? "Always" : "IfNotPresent";
}

void default_http_get(Json& action) {
  if (Json* get = at(action, "httpGet"); get && get->is_object()) {
    set_default(*get, "path", "/");
    set_default(*get, "scheme", "HTTP");
  }
}

void default_probe(Json& container, const char* name) {
  Json* probe = at(container, name);
  if (!probe || !probe->is_object()) return;
  set_default(*probe, "timeoutSeconds", 1);
  set_default(*probe, "periodSeconds", 10);
  set_default(*probe, "successThreshold", 1);
  set_default(*probe, "failureThreshold", 3);
  default_http_get(*probe);
  if (Json* grpc = at(*probe, "grpc"); grpc && grpc->is_object()) set_default(*grpc, "service", "");
}

void default_field_refs(Json& list) {
  if (!list.is_array()) return;
  for (Json& item : list)
    for (Json* ref : {at(item, "fieldRef"), at(item, "valueFrom", "fieldRef")})
      if (ref && ref->is_object()) set_default(*ref, "apiVersion", "v1");
}

void default_container(Json& container, bool host_network) {
  set_default(container, "resources", Json::object());
  set_default(container, "terminationMessagePath", "/dev/termination-log");
  set_default(container, "terminationMessagePolicy", "File");
  set_default(container, "imagePullPolicy", pull_policy(base::text(container, "image")));
  each_item(
      container,
      [&](Json& port) {
        set_default(port, "protocol", "TCP");
        if (host_network && port.contains("containerPort")) set_default(port, "hostPort", port["containerPort"]);
      },
      "ports");
  if (Json* env = at(container, "env")) default_field_refs(*env);
  for (const char* probe : {"livenessProbe", "readinessProbe", "startupProbe"}) default_probe(container, probe);
  for (const char* hook : {"postStart", "preStop"})
    if (Json* action = at(container, "lifecycle", hook)) default_http_get(*action);
  // A limit without a request asks for as much.
  Json& resources = container["resources"];
  if (Json* limits = at(resources, "limits"); limits && limits->is_object())
    for (const auto& [what, amount] : limits->items())
      if (Json& requests = resources["requests"]; !requests.contains(what)) requests[what] = amount;
}

void default_volume(Json& volume) {
  if (volume.size() == 1) volume["emptyDir"] = Json::object();  // a name only
  for (const char* kind : {"configMap", "secret", "projected", "downwardAPI"})
    if (Json* source = at(volume, kind); source && source->is_object()) set_default(*source, "defaultMode", kFileMode);
  if (Json* list = at(volume, "downwardAPI", "items")) default_field_refs(*list);
  if (Json* path = at(volume, "hostPath"); path && path->is_object()) set_default(*path, "type", "");
  each_item(
      volume,
      [](Json& source) {
        if (Json* token = at(source, "serviceAccountToken"); token && token->is_object())
          set_default(*token, "expirationSeconds", 3600);
        if (Json* list = at(source, "downwardAPI", "items")) default_field_refs(*list);
      },
      "projected", "sources");
}

}  // namespace

void default_pod_spec(Json& spec) {
  if (!spec.is_object()) return;
  set_default(spec, "restartPolicy", "Always");
  set_default(spec, "terminationGracePeriodSeconds", 30);
  set_default(spec, "dnsPolicy", "ClusterFirst");
  set_default(spec, "securityContext", Json::object());
  set_default(spec, "schedulerName", "default-scheduler");
  if (std::string account = string_at(spec, "serviceAccountName"); !account.empty())
    spec["serviceAccount"] = account;
  else if (std::string old = string_at(spec, "serviceAccount"); !old.empty())
    spec["serviceAccountName"] = old;
  bool host_network = truth(spec, "hostNetwork");
  for (const char* list : {"containers", "initContainers"})
    each_item(spec, [&](Json& container) { default_container(container, host_network); }, list);
  each_item(spec, default_volume, "volumes");
}

std::string qos_class(const Json& spec) {
  bool any = false, all = true;
  for (const char* list : {"containers", "initContainers"})
    for (const Json& container : items(spec, list)) {
      const Json* requests = base::find(container, "resources", "requests");
      const Json* limits = base::find(container, "resources", "limits");
      for (const char* what : {"cpu", "memory"}) {
        const Json* request = requests ? base::find(*requests, what) : nullptr;
        const Json* limit = limits ? base::find(*limits, what) : nullptr;
        any = any || request || limit;
        all = all && limit && (!request || *request == *limit);
      }
    }
  return !any ? "BestEffort" : all ? "Guaranteed" : "Burstable";
}

std::string container_names(const Json& pod_spec) {
  std::vector<std::string> names;
  for (const Json& container : items(pod_spec, "containers")) names.push_back(string_at(container, "name"));
  return base::join(names, ",");
}

std::string container_images(const Json& pod_spec) {
  std::vector<std::string> images;
  for (const Json& container : items(pod_spec, "containers")) images.push_back(string_at(container, "image"));
  return base::join(images, ",");
}

}  // namespace localkube
