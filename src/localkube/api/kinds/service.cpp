// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "base/strings.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/kinds/kinds.h"
#include "localkube/api/kinds/service_fields.h"
#include "localkube/api/metadata.h"

namespace localkube {

namespace {

void service_defaults(Json& service) {
  Json& spec = service["spec"];
  if (!spec.is_object()) spec = Json::object();
  set_default(spec, "type", "ClusterIP");
  set_default(spec, "sessionAffinity", "None");
  std::string type = spec["type"].is_string() ? spec["type"].get<std::string>() : "";
  if (spec["sessionAffinity"] == "ClientIP" && !base::find(spec, "sessionAffinityConfig", "clientIP", "timeoutSeconds"))
    spec["sessionAffinityConfig"] = {{"clientIP", {{"timeoutSeconds", 10800}}}};
  each_item(
      service,
      [](Json& port) {
        set_default(port, "protocol", "TCP");
        Json& target = port["targetPort"];
        if ((target.is_null() || target == 0 || target == "") && port.contains("port")) target = port["port"];
      },
      "spec", "ports");
  if (type == "NodePort" || type == "LoadBalancer") set_default(spec, "externalTrafficPolicy", "Cluster");
  if (type == "LoadBalancer") set_default(spec, "allocateLoadBalancerNodePorts", true);
  if (type != "ExternalName") set_default(spec, "internalTrafficPolicy", "Cluster");
}

// Families as a cluster of one IPv4 range gives them.
void service_families(Json& service) {
  Json& spec = service["spec"];
  if (spec["type"] == "ExternalName") return;
  // Endpoints that somebody else writes may be of either family.
  const Json* selector = base::find(spec, "selector");
  bool open = base::text(spec, "clusterIP") == "None" && (!selector || selector->empty());
  set_default(spec, "ipFamilies", open ? Json::array({"IPv4", "IPv6"}) : Json::array({"IPv4"}));
  set_default(spec, "ipFamilyPolicy", open ? "RequireDualStack" : "SingleStack");
}

void prepare_create(Json& service) {
  service["status"] = {{"loadBalancer", Json::object()}};
  service_families(service);
}

void prepare_update(Json& service, const Json& old) {
  Json& spec = service["spec"];
  const Json* before = base::find(old, "spec");
  if (!before || spec["type"] == "ExternalName") return;
  service_families(service);
  // What the server allocated stays unless it is said otherwise.
  for (const char* key : {"clusterIP", "clusterIPs"})
    if (const Json* value = base::find(*before, key); value && (!spec.contains(key) || spec[key] == ""))
      spec[key] = *value;
  if (spec["type"] != "LoadBalancer") spec.erase("allocateLoadBalancerNodePorts");
  if (spec["type"] == "ClusterIP") {
    spec.erase("externalTrafficPolicy");
    if (base::text(*before, "type") != "ClusterIP")
      each_item(service, [](Json& port) { port.erase("nodePort"); }, "spec", "ports");
    return;
  }
  each_item(
      service,
      [&](Json& port) {
        if (number(port, "nodePort") != 0) return;
        for (const Json& past : items(*before, "ports"))
          if (past.value("port", Json()) == port.value("port", Json()) &&
              past.value("protocol", Json()) == port.value("protocol", Json()) && number(past, "nodePort") != 0)
            port["nodePort"] = past["nodePort"];
      },
      "spec", "ports");
}

void validate_affinity(const Json& spec, Problems& problems) {
  std::string affinity = string_at(spec, "sessionAffinity");
  if (affinity != "None" && affinity != "ClientIP")
    problems.not_supported("spec.sessionAffinity", in_quotes(affinity), {"ClientIP", "None"});
  const Json* seconds = base::find(spec, "sessionAffinityConfig", "clientIP", "timeoutSeconds");
  if (affinity == "ClientIP" && seconds && (*seconds < 1 || *seconds > 86400))
    problems.invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", seconds->dump(),
                     "must be greater than 0 and less than 86400");
}

void validate(const Json& service, Problems& problems) {
  static const Json none = Json::object();
  const Json* found = base::find(service, "spec");
  const Json& spec = found ? *found : none;
  std::string type = string_at(spec, "type");
  if (type != "ClusterIP" && type != "NodePort" && type != "LoadBalancer" && type != "ExternalName")
    problems.not_supported("spec.type", in_quotes(type), {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"});
  const Json& ports = items(spec, "ports");
  bool headless = string_at(spec, "clusterIP") == "None";
  if (ports.empty() && type != "ExternalName" && !headless) problems.required("spec.ports");
  std::string elsewhere = string_at(spec, "externalName");
  if (elsewhere.ends_with('.')) elsewhere.pop_back();
  if (type == "ExternalName" && elsewhere.empty()) problems.required("spec.externalName");
  if (type == "ExternalName" && !elsewhere.empty())
    check_name("spec.externalName", NameRule::Subdomain, elsewhere, problems);
  for (size_t i = 0; i < items(spec, "externalIPs").size(); ++i)
    check_endpoint_ip("spec.externalIPs[" + std::to_string(i) + "]", items(spec, "externalIPs")[i], problems);
  if (const Json* selector = base::find(spec, "selector"); selector && selector->is_object())
    for (const auto& [key, value] : selector->items()) {
      std::string fault = label_key_fault(key);
      if (fault.empty() && value.is_string()) fault = label_value_fault(value.get<std::string>());
      if (!fault.empty()) problems.invalid("spec.selector", in_quotes(key), fault);
    }
  validate_affinity(spec, problems);
  std::set<std::string> names, pairs, node_ports;
  for (size_t i = 0; i < ports.size(); ++i) {
    const Json& port = ports[i];
    std::string path = "spec.ports[" + std::to_string(i) + "]";
    std::string name = string_at(port, "name");
    if (name.empty() && ports.size() > 1) problems.required(path + ".name");
    if (!name.empty()) check_name(path + ".name", NameRule::Label, name, problems);
    if (!name.empty() && !names.insert(name).second) problems.duplicate(path + ".name", in_quotes(name));
    if (number(port, "port") == 0)
      problems.required(path + ".port");
    else
      check_port(path + ".port", base::find(port, "port"), problems);
    std::string protocol = string_at(port, "protocol");
    check_protocol(path + ".protocol", port, problems);
    check_port(path + ".targetPort", base::find(port, "targetPort"), problems);
    if (!pairs.insert(protocol + std::to_string(number(port, "port"))).second)
      problems.duplicate(path, "core.ServicePort{Protocol:" + in_quotes(protocol) +
                                   ", Port:" + std::to_string(number(port, "port")) + "}");
    const std::string node_port = std::to_string(number(port, "nodePort"));
    if (node_port != "0" && !node_ports.insert(protocol + node_port).second)
      problems.duplicate(path + ".nodePort", node_port);
  }
}

void validate_update(const Json& service, const Json& old, Problems& problems) {
  std::string before = string_at(old, "spec", "clusterIP"), after = string_at(service, "spec", "clusterIP");
  if (string_at(old, "spec", "type") == "ExternalName" || string_at(service, "spec", "type") == "ExternalName") return;
  if (!before.empty() && before != after)
    problems.invalid("spec.clusterIPs[0]", "[]string{" + in_quotes(after) + "}", "may not change once set");
}

std::string external_text(const Json& service) {
  std::vector<std::string> all;
  std::string type = string_at(service, "spec", "type");
  if (type == "ExternalName") return string_at(service, "spec", "externalName");
  if (type == "LoadBalancer")
    for (const Json& ingress : items(service, "status", "loadBalancer", "ingress")) {
      std::string address = string_at(ingress, "ip");
      all.push_back(address.empty() ? string_at(ingress, "hostname") : address);
    }
  for (const Json& address : items(service, "spec", "externalIPs")) all.push_back(address.get<std::string>());
  if (all.empty()) return type == "LoadBalancer" ? "<pending>" : "<none>";
  return base::join(all, ",");
}

std::vector<Json> service_cells(const Json& service) {
  std::vector<std::string> ports;
  for (const Json& port : items(service, "spec", "ports")) {
    std::string text = std::to_string(number(port, "port"));
    if (int64_t node = number(port, "nodePort")) text += ":" + std::to_string(node);
    ports.push_back(text + "/" + string_at(port, "protocol"));
  }
  std::string address = string_at(service, "spec", "clusterIP");
  return {string_at(service, "spec", "type"),
          address.empty() ? "<none>" : address,
          external_text(service),
          join_or_none(ports),
          age_of(service),
          labels_text(base::find(service, "spec", "selector"))};
}

}  // namespace

KindRow services() {
  return {.group = "",
          .versions = {"v1"},
          .kind = "Service",
          .plural = "services",
          .singular = "service",
          .short_names = {"svc"},
          .categories = {"all"},
          .has_status = true,
          .returns_deleted = true,
          .name_rule = NameRule::ServiceLabel,
          .columns = {{"Type"}, {"Cluster-IP"}, {"External-IP"}, {"Port(s)"}, {"Age"}, {"Selector", "string", "", 1}},
          .rules = {.defaults = service_defaults,
                    .prepare_create = prepare_create,
                    .prepare_update = prepare_update,
                    .validate = validate,
                    .validate_update = validate_update,
                    .cells = service_cells,
                    .selectable = {"spec.clusterIP", "spec.type"}}};
}

}  // namespace localkube
