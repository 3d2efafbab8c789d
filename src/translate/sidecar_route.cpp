// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <set>

#include "base/strings.h"
#include "mesh/hostname.h"
#include "translate/domains.h"
#include "translate/route.h"

namespace translate {
namespace {

using routes_v3::RouteConfiguration;
using routes_v3::VirtualHost;
using Services = std::map<std::string, const mesh::Service*, std::less<>>;  // by host name

// Which VirtualService each service obeys, and the hosts of each that are no
// service. Wildcard hosts take what no more specific host took.
struct Claims {
  std::map<std::string, const config::VirtualService*, std::less<>> by_service;
  std::vector<std::pair<std::string, const config::VirtualService*>> unknown_hosts;
};

Claims claims_of(const mesh::View& view, const Services& services) {
  Claims out;
  std::map<std::string, size_t, std::less<>> claimed_by_length;  // of the claiming host; exact ones are never beaten
  for (const auto& virtual_service : view.virtual_services()) {
    if (virtual_service->spec.http().empty()) continue;
    for (const std::string& host : virtual_service->spec.hosts()) {
      if (!mesh::is_wildcard(host)) {
        if (!services.contains(host))
          out.unknown_hosts.emplace_back(host, virtual_service.get());
        else if (claimed_by_length[host] != std::string::npos) {
          claimed_by_length[host] = std::string::npos;
          out.by_service[host] = virtual_service.get();
        }
        continue;
      }
      bool any = false;
      for (const auto& [name, service] : services) {
        if (!mesh::covers(host, name)) continue;
        any = true;
        size_t& length = claimed_by_length[name];
        if (length >= host.size()) continue;
        length = host.size();
        out.by_service[name] = virtual_service.get();
      }
      if (!any) out.unknown_hosts.emplace_back(host, virtual_service.get());
    }
  }
  return out;
}

// One table while it grows: a host or domain that is there already is not
// added again, the first one keeps it.
struct Table {
  const mesh::View& view;
  int port;
  const Services& services;
  std::vector<objects::Ref>& provenance;
  std::map<std::string, VirtualHost> hosts;  // by name
  std::set<std::string> domains;

  Place place() const {
    return {view, port, {"mesh"}, [this](const std::string& hostname) -> const mesh::Service* {
              auto found = services.find(hostname);
              return found == services.end() ? nullptr : found->second;
            }};
  }

  void add(const std::string& hostname, const std::vector<std::string>& names, std::vector<routes_v3::Route> routes) {
    std::string name = hostname + ":" + std::to_string(port);
    if (hosts.contains(name)) return;
    VirtualHost host;
    host.set_name(name);
    for (const std::string& domain : names) {
      std::string lower = base::to_lower(domain);
      if (domains.insert(lower).second) host.add_domains(lower);
    }
    if (host.domains().empty()) return;
    for (auto& route : routes) *host.add_routes() = std::move(route);
    host.set_include_request_attempt_count(true);
    hosts.emplace(name, std::move(host));
  }

  void add_service(const mesh::Service& service, const config::VirtualService* rule) {
    auto routes = rule ? http_routes(*rule, place()) : std::vector{default_route(view, service, port)};
    provenance.push_back(service.ref);
    if (rule) provenance.push_back(rule->meta.ref);
    add(service.hostname, domains_of(view, service), std::move(routes));
  }
};

// What no virtual host names: on to where it was going, or a refusal.
VirtualHost catch_all(const mesh::View& view) {
  VirtualHost host;
  const char* name = view.registry_only() ? "block_all" : "allow_any";
  host.set_name(name);
  host.add_domains("*");
  host.set_include_request_attempt_count(true);
  auto* route = host.add_routes();
  route->set_name(name);
  route->mutable_match()->set_prefix("/");
  if (view.registry_only()) {
    route->mutable_direct_response()->set_status(502);
  } else {
    route->mutable_route()->set_cluster("PassthroughCluster");
    route->mutable_route()->mutable_timeout();
    route->mutable_route()->mutable_max_grpc_timeout();
  }
  return host;
}

Services services_on(const mesh::View& view, int port) {
  Services out;
  for (const auto& service : view.services()) {
    const mesh::Port* found = service->port(port);
    if (found && found->protocol != mesh::Protocol::Udp && service->resolution != mesh::Resolution::Alias)
      out.emplace(service->hostname, service.get());
  }
  return out;
}

// Hosts that are no service still answer on port 80, and beside a service of
// the same VirtualService on its port.
bool shows_unknown(const config::VirtualService* rule, const Claims& claims, int port) {
  if (port == 80) return true;
  return std::ranges::any_of(claims.by_service, [&](const auto& claim) { return claim.second == rule; });
}

void fill_shared(RouteConfiguration& out, const mesh::View& view, int port, std::vector<objects::Ref>& provenance) {
  Services services = services_on(view, port);
  Claims claims = claims_of(view, services);
  Table table{view, port, services, provenance, {}, {}};
  // Who is first keeps a domain that others claim.
  for (const auto& service : view.services()) {
    auto found = services.find(service->hostname);
    if (found == services.end() || found->second != service.get()) continue;
    auto claim = claims.by_service.find(service->hostname);
    table.add_service(*service, claim == claims.by_service.end() ? nullptr : claim->second);
  }
  for (const auto& [host, rule] : claims.unknown_hosts) {
    if (!shows_unknown(rule, claims, port)) continue;
    provenance.push_back(rule->meta.ref);
    table.add(host, {host}, http_routes(*rule, table.place()));
  }
  for (auto& [name, host] : table.hosts) *out.add_virtual_hosts() = std::move(host);
  *out.add_virtual_hosts() = catch_all(view);
}

// The table of a sniffed listener: one service, whatever the Host header says.
void fill_sniffed(RouteConfiguration& out, const mesh::View& view, const std::string& hostname, int port,
                  std::vector<objects::Ref>& provenance) {
  const mesh::Service* service = view.service(hostname);
  if (!service || !service->port(port)) return;
  Services services = services_on(view, port);
  Claims claims = claims_of(view, services);
  auto claim = claims.by_service.find(hostname);
  Table table{view, port, services, provenance, {}, {}};
  table.add_service(*service, claim == claims.by_service.end() ? nullptr : claim->second);
  for (auto& [name, host] : table.hosts) {
    host.clear_domains();
    host.add_domains("*");
    *out.add_virtual_hosts() = std::move(host);
  }
}

}  // namespace

RouteConfiguration sidecar_routes(const mesh::View& view, const std::string& name,
                                  std::vector<objects::Ref>& provenance) {
  RouteConfiguration out = empty_table(name);
  if (auto port = base::parse_number<int>(name)) {
    fill_shared(out, view, *port, provenance);
    return out;
  }
  size_t colon = name.rfind(':');
  if (colon == std::string::npos) return out;
  if (auto port = base::parse_number<int>(std::string_view(name).substr(colon + 1)))
    fill_sniffed(out, view, name.substr(0, colon), *port, provenance);
  return out;
}

}  // namespace translate
