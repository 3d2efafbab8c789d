// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>

#include <set>

#include "base/strings.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/kinds/kinds.h"
#include "localkube/api/metadata.h"

namespace localkube {

namespace {

constexpr size_t kEndpointsShown = 3;
constexpr const char* kNoAddress = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";

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

void check_port(const Json* value, const std::string& path, Problems& problems) {
  if (!value || !value->is_number_integer()) return;
  int64_t port = value->get<int64_t>();
  if (port < 1 || port > 65535) problems.invalid(path, std::to_string(port), "must be between 1 and 65535, inclusive");
}

bool is_ip(const std::string& text) {
  in6_addr any;
  return inet_pton(AF_INET, text.c_str(), &any) == 1 || inet_pton(AF_INET6, text.c_str(), &any) == 1;
}

void check_name(const std::string& path, NameRule rule, const std::string& name, Problems& problems) {
  if (std::string fault = name_fault(rule, name); !fault.empty()) problems.invalid(path, in_quotes(name), fault);
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
    if (const Json& ip = items(spec, "externalIPs")[i]; !ip.is_string() || !is_ip(ip.get<std::string>()))
      problems.invalid("spec.externalIPs[" + std::to_string(i) + "]", Problems::text(ip), kNoAddress);
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
      check_port(base::find(port, "port"), path + ".port", problems);
    std::string protocol = string_at(port, "protocol");
    if (protocol != "TCP" && protocol != "UDP" && protocol != "SCTP")
      problems.not_supported(path + ".protocol", in_quotes(protocol), {"SCTP", "TCP", "UDP"});
    check_port(base::find(port, "targetPort"), path + ".targetPort", problems);
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

std::string more_text(const std::vector<std::string>& shown, size_t total, std::string_view none) {
  if (total == 0) return std::string(none);
  std::string text = base::join(shown, ",");
  if (total > shown.size()) text += " + " + std::to_string(total - shown.size()) + " more...";
  return text;
}

std::vector<Json> endpoints_cells(const Json& object) {
  std::vector<std::string> shown;
  size_t total = 0;
  auto add = [&](std::string text) {
    ++total;
    if (shown.size() < kEndpointsShown) shown.push_back(std::move(text));
  };
  for (const Json& subset : items(object, "subsets")) {
    const Json& ports = items(subset, "ports");
    for (const Json& address : items(subset, "addresses")) {
      std::string ip = string_at(address, "ip");
      if (ports.empty()) add(ip);
      for (const Json& port : ports) add(ip + ":" + std::to_string(number(port, "port")));
    }
  }
  return {more_text(shown, total, "<none>"), age_of(object)};
}

void endpoints_defaults(Json& object) {
  each_item(
      object,
      [](Json& subset) { each_item(subset, [](Json& port) { set_default(port, "protocol", "TCP"); }, "ports"); },
      "subsets");
}

void slice_defaults(Json& slice) {
  each_item(
      slice,
      [](Json& port) {
        set_default(port, "name", "");
        set_default(port, "protocol", "TCP");
      },
      "ports");
}

std::vector<Json> slice_cells(const Json& slice) {
  std::vector<std::string> ports, addresses;
  for (const Json& port : items(slice, "ports"))
    if (ports.size() < kEndpointsShown) {
      const Json* value = base::find(port, "port");
      ports.push_back(value && value->is_number() ? value->dump() : "*");
    }
  size_t total = 0;
  for (const Json& endpoint : items(slice, "endpoints"))
    for (const Json& address : items(endpoint, "addresses"))
      if (++total <= kEndpointsShown) addresses.push_back(address.get<std::string>());
  return {string_at(slice, "addressType"), more_text(ports, items(slice, "ports").size(), "<unset>"),
          more_text(addresses, total, "<unset>"), age_of(slice)};
}

void validate_slice(const Json& slice, Problems& problems) {
  const std::string type = string_at(slice, "addressType");
  if (type.empty()) return problems.required("addressType");
  if (type != "IPv4" && type != "IPv6" && type != "FQDN")
    return problems.not_supported("addressType", in_quotes(type), {"FQDN", "IPv4", "IPv6"});
  const Json& endpoints = items(slice, "endpoints");
  for (size_t i = 0; i < endpoints.size(); ++i) {
    const Json& addresses = items(endpoints[i], "addresses");
    const std::string path = "endpoints[" + std::to_string(i) + "].addresses";
    if (addresses.empty()) problems.required(path, "must contain at least 1 address");
    for (size_t a = 0; a < addresses.size(); ++a) {
      const std::string at = path + "[" + std::to_string(a) + "]";
      const std::string text = addresses[a].is_string() ? addresses[a].get<std::string>() : "";
      in6_addr any;
      if (type == "FQDN")
        check_name(at, NameRule::Subdomain, text, problems);
      else if (inet_pton(type == "IPv4" ? AF_INET : AF_INET6, text.c_str(), &any) != 1)
        problems.invalid(at, in_quotes(text), "must be a valid " + type + " address");
    }
  }
  const Json& ports = items(slice, "ports");
  for (size_t i = 0; i < ports.size(); ++i) {
    const std::string path = "ports[" + std::to_string(i) + "]";
    check_port(base::find(ports[i], "port"), path + ".port", problems);
    if (std::string name = string_at(ports[i], "name"); !name.empty())
      check_name(path + ".name", NameRule::Label, name, problems);
  }
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

KindRow endpoints() {
  return {.group = "",
          .versions = {"v1"},
          .kind = "Endpoints",
          .plural = "endpoints",
          .singular = "endpoints",
          .short_names = {"ep"},
          .columns = {{"Endpoints"}, {"Age"}},
          .rules = {.defaults = endpoints_defaults, .cells = endpoints_cells},
          .list = "EndpointsList"};
}

KindRow endpoint_slices() {
  return {.group = "discovery.k8s.io",
          .versions = {"v1"},
          .kind = "EndpointSlice",
          .plural = "endpointslices",
          .singular = "endpointslice",
          .counts_generations = true,
          .columns = {{"AddressType"}, {"Ports"}, {"Endpoints"}, {"Age"}},
          .rules = {.defaults = slice_defaults, .validate = validate_slice, .cells = slice_cells}};
}

}  // namespace localkube
