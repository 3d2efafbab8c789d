// SPDX-License-Identifier: Apache-2.0
#include "mesh/kubernetes.h"

#include "base/strings.h"
#include "mesh/hostname.h"

namespace mesh {
namespace {

using base::Json;

int number(const Json* value) { return value && value->is_number_integer() ? value->get<int>() : 0; }

bool truth(const Json* value, bool otherwise) { return value && value->is_boolean() ? value->get<bool>() : otherwise; }

const Json& list(const Json& value, std::string_view key) {
  static const Json kNone = Json::array();
  const Json* found = base::find(value, key);
  return found && found->is_array() ? *found : kNone;
}

std::vector<std::string> names(std::string_view text) {
  std::vector<std::string> out;
  for (std::string_view piece : base::split(text, ','))
    if (piece = base::trim(piece); !piece.empty()) out.emplace_back(piece);
  return out;
}

objects::Labels string_map(const Json* value) {
  objects::Labels out;
  if (value && value->is_object())
    for (const auto& [key, item] : value->items())
      if (item.is_string()) out.emplace(key, item.get<std::string>());
  return out;
}

Port port_of(const Json& spec) {
  Port port;
  port.name = base::text(spec, "name");
  port.number = number(base::find(spec, "port"));
  port.protocol = protocol_of(port.name, base::text(spec, "appProtocol"), port.number, base::text(spec, "protocol"));
  const Json* target = base::find(spec, "targetPort");
  if (target && target->is_string()) {
    port.target_name = target->get<std::string>();
    if (auto plain = base::parse_number<int>(port.target_name)) {
      port.target = *plain;
      port.target_name.clear();
    }
  } else {
    port.target = number(target);
  }
  if (port.target == 0 && port.target_name.empty()) port.target = port.number;
  return port;
}

// "reviews-v1" of the ReplicaSet "reviews-v1-7d9f5c".
void name_owner(const objects::Object& pod, Workload& workload) {
  workload.workload_name = workload.name;
  workload.owner_kind = "Pod";
  if (const Json* metadata = base::find(pod.json(), "metadata"))
    for (const Json& owner : list(*metadata, "ownerReferences")) {
      if (!truth(base::find(owner, "controller"), false)) continue;
      workload.workload_name = base::text(owner, "name");
      workload.owner_kind = base::text(owner, "kind");
      std::string_view hash = pod.label("pod-template-hash");
      if (workload.owner_kind == "ReplicaSet" && !hash.empty()) {
        std::string suffix = "-" + std::string(hash);
        if (workload.workload_name.ends_with(suffix))
          workload.workload_name.resize(workload.workload_name.size() - suffix.size());
        workload.owner_kind = "Deployment";
      }
    }
}

}  // namespace

Locality locality_named(std::string_view text) {
  Locality out;
  if (text.empty()) return out;
  auto parts = base::split(text, text.find('/') == std::string_view::npos ? '.' : '/');
  out.region = parts[0];
  if (parts.size() > 1) out.zone = parts[1];
  if (parts.size() > 2) out.subzone = parts[2];
  return out;
}

Locality locality_of(const objects::Object* node) {
  if (!node) return {};
  return {std::string(node->label("topology.kubernetes.io/region")),
          std::string(node->label("topology.kubernetes.io/zone")),
          std::string(node->label("topology.istio.io/subzone"))};
}

std::shared_ptr<const Service> service_of(const objects::Object& object, std::string_view cluster_domain) {
  auto service = std::make_shared<Service>();
  const Json& spec = object.spec();
  service->ref = object.ref();
  service->name = object.name();
  service->ns = object.ns();
  service->hostname = service->name + "." + service->ns + ".svc." + std::string(cluster_domain);
  service->created = object.creation_timestamp();
  service->labels = object.labels();
  service->selector = string_map(base::find(spec, "selector"));
  service->from_kubernetes = true;
  service->publish_not_ready = truth(base::find(spec, "publishNotReadyAddresses"), false);
  service->export_to = names(object.annotation("networking.istio.io/exportTo"));
  for (const Json& port : list(spec, "ports")) service->ports.push_back(port_of(port));

  if (base::text(spec, "type") == "ExternalName") {
    service->resolution = Resolution::Alias;
    service->external_name = base::text(spec, "externalName");
    return service;
  }
  std::string_view ip = base::text(spec, "clusterIP");
  if (ip == "None") {
    service->headless = true;
    service->resolution = Resolution::Passthrough;
    return service;
  }
  for (const Json& address : list(spec, "clusterIPs"))
    if (address.is_string()) service->addresses.push_back(canonical_ip(address.get<std::string>()));
  if (service->addresses.empty()) service->addresses.push_back(canonical_ip(ip));
  std::erase(service->addresses, "");
  return service;
}

std::shared_ptr<const Slice> slice_of(const objects::Object& object) {
  auto slice = std::make_shared<Slice>();
  slice->ns = object.ns();
  slice->service = object.label("kubernetes.io/service-name");
  if (base::text(object.json(), "addressType") == "FQDN") return slice;
  for (const Json& port : list(object.json(), "ports"))
    if (std::string_view transport = base::text(port, "protocol"); transport.empty() || transport == "TCP")
      slice->ports.push_back({std::string(base::text(port, "name")), number(base::find(port, "port"))});
  for (const Json& endpoint : list(object.json(), "endpoints")) {
    Slice::Address address;
    address.ready = truth(base::find(endpoint, "conditions", "ready"), true);
    address.zone = base::text(endpoint, "zone");
    if (base::text(endpoint, "targetRef", "kind") == "Pod") address.pod = base::text(endpoint, "targetRef", "name");
    for (const Json& ip : list(endpoint, "addresses"))
      if (ip.is_string() && !(address.ip = canonical_ip(ip.get<std::string>())).empty())
        slice->addresses.push_back(address);
  }
  return slice;
}

std::shared_ptr<const Workload> workload_of(const objects::Object& pod, const objects::Object* node) {
  std::string_view phase = base::text(pod.status(), "phase");
  if (phase == "Succeeded" || phase == "Failed") return nullptr;
  auto workload = std::make_shared<Workload>();
  for (const Json& ip : list(pod.status(), "podIPs"))
    if (std::string_view text = base::text(ip, "ip"); !text.empty()) workload->addresses.emplace_back(text);
  if (workload->addresses.empty())
    if (std::string_view ip = base::text(pod.status(), "podIP"); !ip.empty()) workload->addresses.emplace_back(ip);
  if (workload->addresses.empty()) return nullptr;

  const Json& spec = pod.spec();
  workload->ref = pod.ref();
  workload->name = pod.name();
  workload->ns = pod.ns();
  workload->labels = pod.labels();
  workload->service_account = base::text(spec, "serviceAccountName");
  if (workload->service_account.empty()) workload->service_account = "default";
  workload->node = base::text(spec, "nodeName");
  workload->host_network = truth(base::find(spec, "hostNetwork"), false);
  workload->tls_istio = pod.label("security.istio.io/tlsMode") == "istio";
  workload->network = pod.label("topology.istio.io/network");
  workload->locality = locality_of(node);
  if (std::string_view own = pod.label("istio-locality"); !own.empty()) workload->locality = locality_named(own);
  for (const char* section : {"initContainers", "containers"})
    for (const Json& container : list(spec, section))
      for (const Json& port : list(container, "ports"))
        if (std::string_view name = base::text(port, "name"); !name.empty())
          workload->named_ports[std::string(name)] = number(base::find(port, "containerPort"));
  name_owner(pod, *workload);
  return workload;
}

}  // namespace mesh
