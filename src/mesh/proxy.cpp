// SPDX-License-Identifier: Apache-2.0
#include "mesh/proxy.h"

#include "base/strings.h"

namespace mesh {
namespace {

// Istio's agents send lists as "a,b" and booleans as "true"; others use JSON's own.
std::vector<std::string> list_of(const base::Json* value) {
  std::vector<std::string> out;
  if (!value) return out;
  if (value->is_string()) {
    for (std::string_view piece : base::split(value->get_ref<const std::string&>(), ','))
      if (piece = base::trim(piece); !piece.empty()) out.emplace_back(piece);
  } else if (value->is_array()) {
    for (const base::Json& item : *value)
      if (item.is_string()) out.push_back(item.get<std::string>());
  }
  return out;
}

bool truth_of(const base::Json* value) {
  return value && ((value->is_boolean() && value->get<bool>()) ||
                   (value->is_string() && value->get_ref<const std::string&>() == "true"));
}

// POD_PORTS as the injector writes it: [{"name":"http","containerPort":80}], as
// a list or as its text.
std::map<std::string, int, std::less<>> ports_of(const base::Json* value) {
  std::map<std::string, int, std::less<>> out;
  if (!value) return out;
  if (value->is_string()) {
    auto parsed = base::parse_json(value->get_ref<const std::string&>());
    return parsed && parsed->is_array() ? ports_of(&*parsed) : out;
  }
  if (value->is_array())
    for (const base::Json& port : *value)
      if (const base::Json* number = base::find(port, "containerPort"); number && number->is_number_integer())
        out[std::string(base::text(port, "name"))] = number->get<int>();
  out.erase("");
  return out;
}

}  // namespace

base::Result<Proxy> parse_proxy(std::string_view node_id, const base::Json& metadata, std::string_view user_agent) {
  auto parts = base::split(node_id, '~');
  if (parts.size() != 4)
    return base::fail(base::ErrorKind::Invalid,
                      "node id \"" + std::string(node_id) + "\" is not of the form type~address~name.namespace~domain");
  Proxy proxy;
  if (parts[0] == "sidecar")
    proxy.type = ProxyType::Sidecar;
  else if (parts[0] == "router")
    proxy.type = ProxyType::Router;
  else if (parts[0] == "waypoint")
    proxy.type = ProxyType::Waypoint;
  else
    return base::fail(base::ErrorKind::Invalid, "node id \"" + std::string(node_id) + "\": type \"" +
                                                    std::string(parts[0]) + "\" is none of sidecar, router, waypoint");
  proxy.id = parts[2];
  proxy.dns_domain = parts[3];
  proxy.addresses = list_of(base::find(metadata, "INSTANCE_IPS"));
  if (proxy.addresses.empty() && !parts[1].empty()) proxy.addresses.emplace_back(parts[1]);

  proxy.ns = base::text(metadata, "NAMESPACE");
  if (auto cut = parts[2].rfind('.'); cut != std::string_view::npos) {
    if (proxy.ns.empty()) proxy.ns = parts[2].substr(cut + 1);
    proxy.name = parts[2].substr(0, cut);
  } else {
    proxy.name = parts[2];
  }
  if (auto name = base::text(metadata, "NAME"); !name.empty()) proxy.name = name;

  proxy.cluster_id = base::text(metadata, "CLUSTER_ID");
  proxy.network = base::text(metadata, "NETWORK");
  proxy.service_account = base::text(metadata, "SERVICE_ACCOUNT");
  proxy.version = base::text(metadata, "ISTIO_VERSION");
  proxy.revision = base::text(metadata, "ISTIO_REVISION");
  proxy.named_ports = ports_of(base::find(metadata, "POD_PORTS"));
  proxy.unprivileged = truth_of(base::find(metadata, "UNPRIVILEGED_POD"));
  proxy.capture = base::text(metadata, "INTERCEPTION_MODE") != "NONE";
  if (user_agent == "seine-proxy") proxy.dialect = Dialect::Seine;
  for (const char* key : {"LABELS", "STATIC_LABELS"})
    if (const base::Json* labels = base::find(metadata, key); labels && labels->is_object())
      for (const auto& [name, value] : labels->items())
        if (value.is_string()) proxy.labels.emplace(name, value.get<std::string>());
  return proxy;
}

}  // namespace mesh
