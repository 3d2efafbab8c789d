// SPDX-License-Identifier: Apache-2.0
#include "inject/probes.h"

#include "base/strings.h"

namespace inject {

namespace {

// A port as a number; names are the container's own. Null where it has no meaning.
Json port_of(const Json& port, const Json& container) {
  if (port.is_number_integer()) return port;
  if (!port.is_string()) return nullptr;
  const std::string& name = port.get_ref<const std::string&>();
  if (auto number = base::parse_number<int>(name)) return *number;
  if (const Json* ports = base::find(container, "ports"); ports && ports->is_array())
    for (const Json& declared : *ports)
      if (declared.is_object() && base::text(declared, "name") == name) return declared.value("containerPort", Json());
  return nullptr;
}

bool is_ours(const Json& port) { return port == 15020 || port == 15021 || port == 15090; }

// The original of one probe or hook as the proxy must repeat it, or null if it can stay as it is.
Json original_of(const Json& handler, const Json& container) {
  for (const char* kind : {"httpGet", "tcpSocket", "grpc"}) {
    const Json* action = base::find(handler, kind);
    if (!action || !action->is_object()) continue;
    Json port = port_of(action->value("port", Json()), container);
    if (port.is_null() || is_ours(port)) return nullptr;
    Json copy = *action;
    copy["port"] = port;
    return {{kind, std::move(copy)}};
  }
  return nullptr;
}

void rewrite_probe(Json& container, const char* field, const std::string& path, int status_port, Json& originals) {
  auto it = container.find(field);
  if (it == container.end() || !it->is_object()) return;
  Json original = original_of(*it, container);
  if (original.is_null()) return;
  if (auto timeout = it->find("timeoutSeconds"); timeout != it->end()) original["timeoutSeconds"] = *timeout;
  originals[path] = std::move(original);
  for (const char* kind : {"httpGet", "tcpSocket", "grpc"}) it->erase(kind);
  (*it)["httpGet"] = {{"path", path}, {"port", status_port}};
}

void rewrite_hook(Json& container, const char* field, const std::string& path, int status_port, Json& originals) {
  auto lifecycle = container.find("lifecycle");
  if (lifecycle == container.end() || !lifecycle->is_object()) return;
  auto hook = lifecycle->find(field);
  if (hook == lifecycle->end() || !hook->is_object() || !hook->contains("httpGet")) return;
  Json original = original_of(*hook, container);
  if (original.is_null()) return;
  originals[path] = std::move(original);
  (*hook)["httpGet"] = {{"path", path}, {"port", status_port}};
}

}  // namespace

Json rewrite_probes(Json& pod_spec, int status_port) {
  Json originals = Json::object();
  for (const char* list : {"initContainers", "containers"}) {
    auto containers = pod_spec.find(list);
    if (containers == pod_spec.end() || !containers->is_array()) continue;
    for (Json& container : *containers) {
      std::string name(base::text(container, "name"));
      if (!container.is_object() || name == "istio-proxy" || name == "istio-init") continue;
      std::string health = "/app-health/" + name, life = "/app-lifecycle/" + name;
      rewrite_probe(container, "readinessProbe", health + "/readyz", status_port, originals);
      rewrite_probe(container, "livenessProbe", health + "/livez", status_port, originals);
      rewrite_probe(container, "startupProbe", health + "/startupz", status_port, originals);
      rewrite_hook(container, "preStop", life + "/prestopz", status_port, originals);
      rewrite_hook(container, "postStart", life + "/poststartz", status_port, originals);
    }
  }
  return originals;
}

}  // namespace inject
