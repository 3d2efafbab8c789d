// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>

#include "base/strings.h"
#include "translate/gateway.h"
#include "translate/route.h"

namespace translate {
namespace {

using routes_v3::VirtualHost;

// The virtual hosts of one listener while they grow. Several VirtualServices
// may share a host on a gateway: their routes follow each other, oldest first,
// and those that take everything come last.
struct Table {
  const mesh::View& view;
  std::vector<objects::Ref>& provenance;
  std::map<std::string, VirtualHost> hosts;  // by domain

  VirtualHost& host(const std::string& written, int port) {
    const std::string domain = base::to_lower(written);
    auto [place, fresh] = hosts.try_emplace(domain);
    if (fresh) {
      place->second.set_name(domain + ":" + std::to_string(port));
      place->second.add_domains(domain);
      place->second.set_include_request_attempt_count(true);
    }
    return place->second;
  }

  void add(const mesh::GatewayServer& server) {
    provenance.push_back(server.gateway->meta.ref);
    Place place{view, server.port, {gateway_name(server)}, [this](const std::string& hostname) {
                  return view.service(hostname);
                }};
    for (const auto& virtual_service : view.virtual_services_of(gateway_name(server))) {
      auto domains = common_hosts(*virtual_service, server);
      if (domains.empty()) continue;
      auto routes = http_routes(*virtual_service, place);
      if (routes.empty()) continue;
      provenance.push_back(virtual_service->meta.ref);
      for (const std::string& domain : domains)
        for (const auto& route : routes) *host(domain, server.port).add_routes() = route;
    }
    if (!spec_of(server).tls().https_redirect()) return;
    for (const std::string& entry : spec_of(server).hosts())
      host(std::string(host_part(entry)), server.port).set_require_tls(VirtualHost::ALL);
    // A host narrower than the server's own is redirected as well.
    for (const auto& virtual_service : view.virtual_services_of(gateway_name(server)))
      for (const std::string& domain : common_hosts(*virtual_service, server))
        host(domain, server.port).set_require_tls(VirtualHost::ALL);
  }

  void write(routes_v3::RouteConfiguration& out) {
    for (auto& [domain, host] : hosts) {
      auto* routes = host.mutable_routes();
      std::stable_partition(routes->pointer_begin(), routes->pointer_end(),
                            [](const routes_v3::Route* route) { return !takes_everything(*route); });
      *out.add_virtual_hosts() = std::move(host);
    }
  }
};

}  // namespace

routes_v3::RouteConfiguration gateway_routes(const mesh::View& view, const std::string& name,
                                             std::vector<objects::Ref>& provenance) {
  routes_v3::RouteConfiguration out = empty_table(name);
  Table table{view, provenance, {}};
  int port = 0;
  for (const mesh::GatewayServer& server : view.gateway_servers()) {
    ServerKind kind = kind_of(server);
    if (kind != ServerKind::Http && kind != ServerKind::Https) continue;
    if (route_name(server) != name) continue;
    port = server.port;
    table.add(server);
  }
  table.write(out);
  if (out.virtual_hosts().empty() && port != 0) {
    auto* nothing = out.add_virtual_hosts();
    nothing->set_name("blackhole:" + std::to_string(port));
    nothing->add_domains("*");
  }
  return out;
}

}  // namespace translate
