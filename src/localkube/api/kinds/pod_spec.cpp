// SPDX-License-Identifier: Apache-2.0
#include <set>

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

void validate_containers(const Json& spec, const char* list, const std::string& path, std::set<std::string>& names,
                         const std::set<std::string>& volumes, Problems& problems) {
  size_t i = 0;
  for (const Json& container : items(spec, list)) {
    std::string here = path + "." + list + "[" + std::to_string(i++) + "]";
    std::string name = string_at(container, "name");
    if (name.empty())
      problems.required(here + ".name");
    else if (!names.insert(name).second)
      problems.duplicate(here + ".name", in_quotes(name));
    if (base::text(container, "image").empty()) problems.required(here + ".image");
    size_t m = 0;
    std::set<std::string> paths;
    for (const Json& mount : items(container, "volumeMounts")) {
      std::string at = here + ".volumeMounts[" + std::to_string(m++) + "]";
      std::string volume = string_at(mount, "name"), target = string_at(mount, "mountPath");
      if (volume.empty())
        problems.required(at + ".name");
      else if (!volumes.contains(volume))
        problems.not_found(at + ".name", in_quotes(volume));
      if (target.empty())
        problems.required(at + ".mountPath");
      else if (!paths.insert(target).second)
        problems.invalid(at + ".mountPath", in_quotes(target), "must be unique");
    }
    size_t p = 0;
    for (const Json& port : items(container, "ports")) {
      int64_t value = number(port, "containerPort");
      std::string at = here + ".ports[" + std::to_string(p++) + "].containerPort";
      if (value == 0)
        problems.required(at);
      else if (value < 1 || value > 65535)
        problems.invalid(at, std::to_string(value), "must be between 1 and 65535, inclusive");
    }
    std::string policy = string_at(container, "imagePullPolicy");
    if (!policy.empty() && policy != "Always" && policy != "IfNotPresent" && policy != "Never")
      problems.not_supported(here + ".imagePullPolicy", in_quotes(policy), {"Always", "IfNotPresent", "Never"});
  }
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

void validate_pod_spec(const Json& spec, const std::string& path, Problems& problems) {
  std::set<std::string> volumes, names;
  size_t i = 0;
  for (const Json& volume : items(spec, "volumes")) {
    std::string name = string_at(volume, "name"), at = path + ".volumes[" + std::to_string(i++) + "].name";
    if (name.empty())
      problems.required(at);
    else if (!volumes.insert(name).second)
      problems.duplicate(at, in_quotes(name));
    size_t s = 0;
    for (const Json& source : items(volume, "projected", "sources")) {
      if (base::find(source, "serviceAccountToken") && base::text(spec, "serviceAccountName").empty() && path == "spec")
        problems.forbidden(path + ".volumes[" + std::to_string(i - 1) + "].projected.sources[" + std::to_string(s) +
                               "].serviceAccountToken",
                           "must not be specified when serviceAccountName is not set");
      ++s;
    }
  }
  if (items(spec, "containers").empty()) problems.required(path + ".containers");
  validate_containers(spec, "containers", path, names, volumes, problems);
  validate_containers(spec, "initContainers", path, names, volumes, problems);
  std::string policy = string_at(spec, "restartPolicy");
  if (!policy.empty() && policy != "Always" && policy != "OnFailure" && policy != "Never")
    problems.not_supported(path + ".restartPolicy", in_quotes(policy), {"Always", "OnFailure", "Never"});
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
