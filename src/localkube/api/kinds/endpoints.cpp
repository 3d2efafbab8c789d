// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "base/strings.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/kinds/kinds.h"
#include "localkube/api/kinds/service_fields.h"

namespace localkube {

namespace {

constexpr size_t kEndpointsShown = 3;

// Of one slice, as in Kubernetes.
constexpr size_t kMostEndpoints = 1000;
constexpr size_t kMostAddresses = 100;
constexpr size_t kMostPorts = 20000;
constexpr size_t kMostHints = 8;

std::string element(const std::string& list, size_t index) { return list + "[" + std::to_string(index) + "]"; }

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

// A node's and a host's name, which endpoints of both kinds have.
void check_names(const std::string& path, const Json& endpoint, Problems& problems) {
  if (std::string node = string_at(endpoint, "nodeName"); base::find(endpoint, "nodeName"))
    check_name(path + ".nodeName", NameRule::Subdomain, node, problems);
  if (std::string host = string_at(endpoint, "hostname"); base::find(endpoint, "hostname"))
    check_name(path + ".hostname", NameRule::Label, host, problems);
}

// What ports of both kinds have.
void check_endpoint_port(const std::string& path, const Json& port, Problems& problems) {
  if (std::string name = string_at(port, "name"); !name.empty())
    check_name(path + ".name", NameRule::Label, name, problems);
  check_protocol(path + ".protocol", port, problems);
  if (const Json* application = base::find(port, "appProtocol"); application && application->is_string())
    if (std::string fault = label_key_fault(application->get<std::string>()); !fault.empty())
      problems.invalid(path + ".appProtocol", Problems::text(*application), fault);
}

void check_subsets(const Json& object, Problems& problems) {
  const Json& subsets = items(object, "subsets");
  for (size_t i = 0; i < subsets.size(); ++i) {
    const std::string path = element("subsets", i);
    if (items(subsets[i], "addresses").empty() && items(subsets[i], "notReadyAddresses").empty())
      problems.required(path, "must specify `addresses` or `notReadyAddresses`");
    for (const char* list : {"addresses", "notReadyAddresses"}) {
      const Json& addresses = items(subsets[i], list);
      for (size_t a = 0; a < addresses.size(); ++a) {
        const std::string at = element(path + "." + list, a);
        check_names(at, addresses[a], problems);
        check_endpoint_ip(at + ".ip", addresses[a].value("ip", Json()), problems);
      }
    }
    const Json& ports = items(subsets[i], "ports");
    for (size_t p = 0; p < ports.size(); ++p) {
      const std::string at = element(path + ".ports", p);
      if (ports.size() > 1 && string_at(ports[p], "name").empty()) problems.required(at + ".name");
      Json port = ports[p].value("port", Json(0));
      check_port(at + ".port", &port, problems);
      check_endpoint_port(at, ports[p], problems);
    }
  }
}

// What was stored once may stay as it is: labels of it can be changed still.
void check_changed_subsets(const Json& object, const Json& old, Problems& problems) {
  if (items(object, "subsets") != items(old, "subsets")) check_subsets(object, problems);
}

void validate_slice(const Json& slice, Problems& problems) {
  const std::string type = string_at(slice, "addressType");
  if (type.empty())
    problems.required("addressType");
  else if (type != "IPv4" && type != "IPv6" && type != "FQDN")
    problems.not_supported("addressType", in_quotes(type), {"FQDN", "IPv4", "IPv6"});
  const Json& ports = items(slice, "ports");
  if (ports.size() > kMostPorts) return problems.too_many("ports", ports.size(), kMostPorts);
  std::set<std::string> names;
  for (size_t i = 0; i < ports.size(); ++i) {
    const std::string path = element("ports", i), name = string_at(ports[i], "name");
    check_port(path + ".port", base::find(ports[i], "port"), problems);
    check_endpoint_port(path, ports[i], problems);
    if (!names.insert(name).second) problems.duplicate(path + ".name", in_quotes(name));
  }
}

void check_domain(const std::string& path, const Json& address, Problems& problems) {
  std::string name = address.is_string() ? address.get<std::string>() : "";
  if (name.empty()) return problems.required(path);
  if (name.ends_with('.')) name.pop_back();
  if (std::string fault = name_fault(NameRule::Subdomain, name); !fault.empty())
    return problems.invalid(path, in_quotes(name), fault);
  if (name.find('.') == name.npos)
    problems.invalid(path, in_quotes(name), "should be a domain with at least two segments separated by dots");
}

void check_addresses(const std::string& path, const std::string& type, const Json& addresses, Problems& problems) {
  if (addresses.empty()) problems.required(path, "must contain at least 1 address");
  if (addresses.size() > kMostAddresses) return problems.too_many(path, addresses.size(), kMostAddresses);
  for (size_t a = 0; a < addresses.size(); ++a) {
    if (type == "FQDN") {
      check_domain(element(path, a), addresses[a], problems);
      continue;
    }
    auto ip = check_endpoint_ip(element(path, a), addresses[a], problems);
    if (ip && ip->family() != (type == "IPv4" ? AF_INET : AF_INET6))
      problems.invalid(path, Problems::text(addresses[a]), "must be an " + type + " address");
    else if (ip && addresses[a] != ip->ip())
      problems.invalid(element(path, a), Problems::text(addresses[a]),
                       "must be in canonical form (" + in_quotes(ip->ip()) + ")");
  }
}

void check_zones(const std::string& path, const Json& zones, Problems& problems) {
  if (zones.size() > kMostHints) return problems.too_many(path, zones.size(), kMostHints);
  std::set<std::string> names;
  for (size_t i = 0; i < zones.size(); ++i) {
    const std::string at = element(path, i) + ".name", name = string_at(zones[i], "name");
    if (!names.insert(name).second) problems.duplicate(at, in_quotes(name));
    if (std::string fault = label_value_fault(name); !fault.empty()) problems.invalid(at, in_quotes(name), fault);
  }
}

void check_slice_endpoints(const Json& slice, Problems& problems) {
  const Json& endpoints = items(slice, "endpoints");
  if (endpoints.size() > kMostEndpoints) return problems.too_many("endpoints", endpoints.size(), kMostEndpoints);
  for (size_t i = 0; i < endpoints.size(); ++i) {
    const std::string path = element("endpoints", i);
    check_addresses(path + ".addresses", string_at(slice, "addressType"), items(endpoints[i], "addresses"), problems);
    check_names(path, endpoints[i], problems);
    check_zones(path + ".hints.forZones", items(endpoints[i], "hints", "forZones"), problems);
  }
}

void check_changed_slice(const Json& slice, const Json& old, Problems& problems) {
  if (items(slice, "endpoints") != items(old, "endpoints")) check_slice_endpoints(slice, problems);
  if (std::string type = string_at(slice, "addressType"); type != string_at(old, "addressType"))
    problems.invalid("addressType", in_quotes(type), "field is immutable");
}

}  // namespace

KindRow endpoints() {
  return {.group = "",
          .versions = {"v1"},
          .kind = "Endpoints",
          .plural = "endpoints",
          .singular = "endpoints",
          .short_names = {"ep"},
          .columns = {{"Endpoints"}, {"Age"}},
          .rules = {.defaults = endpoints_defaults,
                    .validate_create = check_subsets,
                    .validate_update = check_changed_subsets,
                    .cells = endpoints_cells},
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
          .rules = {.defaults = slice_defaults,
                    .validate = validate_slice,
                    .validate_create = check_slice_endpoints,
                    .validate_update = check_changed_slice,
                    .cells = slice_cells}};
}

}  // namespace localkube
