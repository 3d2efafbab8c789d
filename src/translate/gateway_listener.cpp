// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <set>

#include "base/strings.h"
#include "mesh/hostname.h"
#include "translate/gateway.h"
#include "translate/layer4.h"
#include "translate/listener.h"
#include "translate/tls.h"

namespace translate {
namespace {

using Servers = std::vector<const mesh::GatewayServer*>;

bool is_plain_http(const mesh::GatewayServer& server) { return kind_of(server) == ServerKind::Http; }

// Names a TLS server is told apart by. One that is taken already stays with
// the first server that asked for it.
std::vector<std::string> free_names(const mesh::GatewayServer& server, std::set<std::string>& taken) {
  std::vector<std::string> out;
  for (const std::string& entry : spec_of(server).hosts()) {
    std::string name = base::to_lower(host_part(entry));
    if (is_server_name(name) && taken.insert(name).second) out.push_back(std::move(name));
  }
  return out;
}

void match_names(FilterChain& chain, const std::vector<std::string>& names) {
  if (std::ranges::find(names, "*") != names.end()) return;
  for (const std::string& name : names) chain.mutable_filter_chain_match()->add_server_names(name);
}

struct Builder {
  const mesh::View& view;
  Listener listener;
  std::vector<objects::Ref> provenance;
  std::set<std::string> taken;

  Place place(const mesh::GatewayServer& server) const {
    return {view, server.port, {gateway_name(server)}, [this](const std::string& hostname) {
              return view.service(hostname);
            }};
  }

  void http_chain(FilterChain& chain, const mesh::GatewayServer& server) {
    add_http(chain, view,
             {.direction = Direction::Gateway,
              .stat_prefix = "outbound_" + listener.name() + ";",
              .route_name = route_name(server),
              .protocol = server.protocol});
    set_connect_timeout(chain);
  }

  // All plain HTTP servers of a port share one chain and one route table.
  void add_plain_http(const Servers& servers) {
    for (const mesh::GatewayServer* server : servers) provenance.push_back(server->gateway->meta.ref);
    http_chain(*listener.add_filter_chains(), *servers.front());
  }

  void add_https(const mesh::GatewayServer& server) {
    auto names = free_names(server, taken);
    if (names.empty()) return;
    provenance.push_back(server.gateway->meta.ref);
    auto& chain = *listener.add_filter_chains();
    match_names(chain, names);
    set_gateway_tls(chain.mutable_transport_socket(), spec_of(server).tls(), view.mesh(), Layer::Http);
    http_chain(chain, server);
  }

  // TCP with TLS ended here: the first tcp route of the VirtualServices.
  void add_tls(const mesh::GatewayServer& server) {
    for (const auto& virtual_service : view.virtual_services_of(gateway_name(server))) {
      if (common_hosts(*virtual_service, server).empty()) continue;
      auto routes = tcp_routes(*virtual_service, place(server));
      if (routes.empty()) continue;
      auto names = free_names(server, taken);
      if (names.empty()) return;
      FilterChain chain = guarded(routes.front());
      chain.clear_filter_chain_match();
      match_names(chain, names);
      set_gateway_tls(chain.mutable_transport_socket(), spec_of(server).tls(), view.mesh(), Layer::Tcp);
      add(std::move(chain), server, *virtual_service);
      return;
    }
  }

  // TLS that stays closed is told apart by its SNI, TCP by its port alone.
  void add_passthrough(const mesh::GatewayServer& server) {
    for (const auto& virtual_service : view.virtual_services_of(gateway_name(server))) {
      if (common_hosts(*virtual_service, server).empty()) continue;
      if (spec_of(server).has_tls()) add_by_sni(server, *virtual_service);
      for (Layer4Route& route : tcp_routes(*virtual_service, place(server))) {
        const bool anywhere = route.subnets.empty();
        std::erase_if(route.subnets, [&](const std::string& block) { return !taken.insert("*" + block).second; });
        if (anywhere ? taken.insert("*").second : !route.subnets.empty()) add(guarded(route), server, *virtual_service);
      }
    }
  }

  void add_by_sni(const mesh::GatewayServer& server, const config::VirtualService& virtual_service) {
    for (Layer4Route& route : tls_routes(virtual_service, place(server))) {
      std::erase_if(route.sni_hosts, [&](const std::string& name) {
        auto offers = [&](const std::string& entry) { return mesh::overlaps(host_part(entry), name); };
        return std::ranges::none_of(spec_of(server).hosts(), offers) || !taken.insert(name).second;
      });
      if (!route.sni_hosts.empty()) add(guarded(route), server, virtual_service);
    }
  }

  FilterChain guarded(const Layer4Route& route) const {
    FilterChain proxied = chain_of(route, view);
    FilterChain chain = proxied;
    chain.clear_filters();
    add_tcp_security(chain, view);
    chain.mutable_filters()->MergeFrom(proxied.filters());
    return chain;
  }

  void add(FilterChain chain, const mesh::GatewayServer& server, const config::VirtualService& virtual_service) {
    *listener.add_filter_chains() = std::move(chain);
    provenance.push_back(server.gateway->meta.ref);
    provenance.push_back(virtual_service.meta.ref);
  }

  void add(const mesh::GatewayServer& server) {
    switch (kind_of(server)) {
      case ServerKind::Http:
        break;
      case ServerKind::Https:
        add_https(server);
        break;
      case ServerKind::Tls:
        add_tls(server);
        break;
      case ServerKind::Passthrough:
        add_passthrough(server);
        break;
    }
  }

  std::optional<Resource> finish() {
    if (listener.filter_chains().empty()) return std::nullopt;
    bool names = std::ranges::any_of(listener.filter_chains(), [](const FilterChain& chain) {
      return chain.filter_chain_match().server_names_size() > 0;
    });
    if (names) add_tls_inspector(listener);
    listener.set_traffic_direction(core::OUTBOUND);
    listener.mutable_max_connections_to_accept_per_socket_event()->set_value(1);
    add_listener_access_log(listener, view);
    return resource_of(std::move(listener), std::move(provenance));
  }
};

}  // namespace

void add_gateway_listeners(const mesh::View& view, std::vector<Resource>& out) {
  std::map<std::pair<int, std::string>, Servers> by_address;
  for (const mesh::GatewayServer& server : view.gateway_servers())
    by_address[{server.listen_port, bind_of(server)}].push_back(&server);
  for (const auto& [address, servers] : by_address) {
    const auto& [port, bind] = address;
    Builder builder{view, listener_on(bind.empty() ? "0.0.0.0" : bind, port), {}, {}};
    // Plain HTTP and anything else cannot share a port; the first server decides.
    if (is_plain_http(*servers.front())) {
      Servers plain;
      std::ranges::copy_if(servers, std::back_inserter(plain),
                           [](const auto* server) { return is_plain_http(*server); });
      builder.add_plain_http(plain);
    } else {
      for (const mesh::GatewayServer* server : servers) builder.add(*server);
    }
    if (auto listener = builder.finish()) out.push_back(std::move(*listener));
  }
}

std::vector<std::string> route_names(const mesh::View& view) {
  std::set<std::string> out;
  if (view.proxy().type != mesh::ProxyType::Sidecar) {
    for (const mesh::GatewayServer& server : view.gateway_servers())
      if (auto kind = kind_of(server); kind == ServerKind::Http || kind == ServerKind::Https)
        out.insert(route_name(server));
    return {out.begin(), out.end()};
  }
  for (const auto& service : view.services()) {
    if (service->resolution == mesh::Resolution::Alias) continue;
    for (const mesh::Port& port : service->ports) {
      if (mesh::is_http(port.protocol))
        out.insert(std::to_string(port.number));
      else if (port.protocol == mesh::Protocol::Auto)
        out.insert(service->addresses.empty() && !service->headless
                       ? std::to_string(port.number)
                       : service->hostname + ":" + std::to_string(port.number));
    }
  }
  return {out.begin(), out.end()};
}

}  // namespace translate
