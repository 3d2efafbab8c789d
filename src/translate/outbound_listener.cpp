// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <set>

#include "base/strings.h"
#include "mesh/hostname.h"
#include "translate/layer4.h"
#include "translate/listener.h"
#include "translate/policy.h"

namespace translate {
namespace {

constexpr const char* kAnyAddress = "0.0.0.0";

// One address and port that clients dial, while services are added to it. HTTP
// and TCP may meet on one: then the bytes decide.
struct Dialled {
  std::string ip;
  int port = 0;
  std::string route_name;  // not empty: HTTP is understood
  mesh::Protocol protocol = mesh::Protocol::Http;
  std::vector<FilterChain> narrow;                      // chains with a match
  std::set<std::pair<std::string, std::string>> taken;  // by those: names and address blocks, either may be empty
  std::optional<FilterChain> rest;                      // the chain without one
  std::vector<std::string> http_addresses;              // of HTTP services and their pods, which blocks do not take
  std::vector<objects::Ref> provenance;
};

// Whose an address and port is.
struct Owner {
  objects::Ref ref;
  bool http = false;
};

struct Builder {
  const mesh::View& view;
  std::map<std::pair<std::string, int>, Dialled> dialled;
  std::map<std::pair<std::string, int>, Owner> owners = {};

  // The first service keeps what is dialled. Of one namespace several may
  // share it, where TLS names tell them apart.
  bool owns(const mesh::Service& service, const mesh::Port& port, const std::string& address) {
    auto [it, fresh] = owners.try_emplace({address, port.number}, Owner{service.ref, mesh::is_http(port.protocol)});
    const Owner& owner = it->second;
    if (fresh || owner.ref == service.ref) return true;
    return owner.ref.ns == service.ref.ns && !owner.http && port.protocol != mesh::Protocol::Auto;
  }

  Dialled& at(const std::string& ip, int port, const objects::Ref& cause) {
    Dialled& place = dialled[{ip, port}];
    place.ip = ip;
    place.port = port;
    place.provenance.push_back(cause);
    return place;
  }

  void add(const mesh::Service& service, const mesh::Port& port) {
    std::vector<std::string> plain;
    std::vector<std::string> subnets;
    for (const std::string& address : service.addresses) {
      const size_t slash = address.find('/');
      const std::string bare = address.substr(0, slash);
      if (slash == std::string::npos || address.substr(slash) == (bare.find(':') == std::string::npos ? "/32" : "/128"))
        plain.push_back(bare);
      else
        subnets.push_back(canonical_block(address));
    }
    const bool anywhere = plain.empty();
    std::erase_if(plain, [&](const std::string& address) { return !owns(service, port, address); });
    if (mesh::is_http(port.protocol)) {
      Dialled& place = at(kAnyAddress, port.number, service.ref);
      place.route_name = std::to_string(port.number);
      place.http_addresses.insert(place.http_addresses.end(), plain.begin(), plain.end());
      if (service.headless && service.from_kubernetes)
        for (const mesh::Endpoint& endpoint : view.endpoints(service, port.number))
          place.http_addresses.push_back(endpoint.address);
      return;
    }
    if (service.headless && service.from_kubernetes) {
      for (const mesh::Endpoint& endpoint : view.endpoints(service, port.number))
        if (std::ranges::find(view.proxy().addresses, endpoint.address) == view.proxy().addresses.end() &&
            owns(service, port, endpoint.address))
          add_dialled(at(endpoint.address, port.number, service.ref), service, port, {});
      return;
    }
    for (const std::string& address : plain) add_dialled(at(address, port.number, service.ref), service, port, {});
    if (anywhere || !subnets.empty()) add_dialled(at(kAnyAddress, port.number, service.ref), service, port, subnets);
  }

  void add_dialled(Dialled& place, const mesh::Service& service, const mesh::Port& port,
                   const std::vector<std::string>& subnets) {
    if (port.protocol == mesh::Protocol::Auto && place.route_name.empty()) {
      bool shared = place.ip == kAnyAddress;
      place.route_name = shared ? std::to_string(port.number) : service.hostname + ":" + std::to_string(port.number);
      place.protocol = mesh::Protocol::Auto;
    }
    for (Layer4Route& route : routes_to(service, port)) {
      if (route.subnets.empty()) route.subnets = subnets;
      bool by_name = mesh::is_tls(port.protocol) && place.ip == kAnyAddress && route.subnets.empty();
      if (route.sni_hosts.empty() && by_name) {
        if (!is_server_name(service.hostname)) continue;
        route.sni_hosts = {base::to_lower(service.hostname)};
      }
      keep(place, route);
    }
  }

  // Chains must not overlap: a name, or an address block without names, is the first one's.
  static bool claim(Dialled& place, Layer4Route& route) {
    if (std::ranges::find(route.sni_hosts, "*") != route.sni_hosts.end()) route.sni_hosts.clear();
    std::ranges::sort(route.subnets);
    route.subnets.erase(std::unique(route.subnets.begin(), route.subnets.end()), route.subnets.end());
    std::vector<std::string> names, blocks = route.subnets;
    if (blocks.empty()) blocks.emplace_back();
    if (route.sni_hosts.empty()) {
      std::erase_if(blocks, [&](const std::string& block) { return !place.taken.emplace("", block).second; });
      if (blocks.empty()) return false;
      if (!route.subnets.empty()) route.subnets = std::move(blocks);
      return true;
    }
    for (const std::string& name : route.sni_hosts) {
      bool fresh = std::ranges::none_of(blocks, [&](const auto& block) { return place.taken.contains({name, block}); });
      if (!fresh) continue;
      for (const std::string& block : blocks) place.taken.emplace(name, block);
      names.push_back(name);
    }
    route.sni_hosts = std::move(names);
    return !route.sni_hosts.empty();
  }

  void keep(Dialled& place, Layer4Route route) {
    const bool catches_all = route.sni_hosts.empty() && route.subnets.empty();
    if (!catches_all && !claim(place, route)) return;
    FilterChain chain = chain_of(route, view);
    if (route.cause.name.empty()) chain.clear_metadata();
    if (!chain.has_filter_chain_match() || chain.filter_chain_match().ByteSizeLong() == 0) {
      chain.clear_filter_chain_match();
      if (!place.rest) place.rest = std::move(chain);
      return;
    }
    place.narrow.push_back(std::move(chain));
  }

  // What VirtualServices say of this port, then the service itself.
  std::vector<Layer4Route> routes_to(const mesh::Service& service, const mesh::Port& port) {
    std::vector<Layer4Route> out;
    Place place{view, port.number, {"mesh"}, [this](const std::string& hostname) { return view.service(hostname); }};
    for (const auto& virtual_service : view.virtual_services()) {
      bool claims = std::ranges::any_of(virtual_service->spec.hosts(),
                                        [&](const std::string& host) { return mesh::covers(host, service.hostname); });
      if (!claims) continue;
      if (mesh::is_tls(port.protocol))
        out = tls_routes(*virtual_service, place);
      else
        out = tcp_routes(*virtual_service, place);
      if (!out.empty()) break;
    }
    bool complete = std::ranges::any_of(out, [&](const Layer4Route& route) {
      bool named =
          route.sni_hosts.empty() || std::ranges::find(route.sni_hosts, service.hostname) != route.sni_hosts.end();
      return named && route.subnets.empty();
    });
    if (!complete) out.push_back(direct(service, port));
    return out;
  }

  Layer4Route direct(const mesh::Service& service, const mesh::Port& port) {
    Layer4Route out;
    out.target.stat_prefix = cluster_name("outbound", port.number, "", service.hostname);
    out.target.clusters = {{out.target.stat_prefix, 1}};
    auto rule = view.destination_rule(service);
    auto policy = policy_of(rule.get(), "", port.number);
    if (policy.connection_pool().tcp().has_idle_timeout())
      out.target.idle_timeout = policy.connection_pool().tcp().idle_timeout();
    if (const auto* tunnel = tunnel_of(rule.get(), "")) out.target.tunnel = *tunnel;
    return out;
  }

  FilterChain elsewhere() const {
    FilterChain chain;
    chain.set_name("PassthroughFilterChain");
    add_tcp(chain, view, view.registry_only() ? "BlackHoleCluster" : "PassthroughCluster");
    return chain;
  }

  // Addresses are matched before bytes: beside blocks, HTTP services' own addresses must be written down.
  static void add_exact(Listener& listener, Dialled& place) {
    const bool blocks = std::ranges::any_of(
        place.narrow, [](const FilterChain& chain) { return chain.filter_chain_match().prefix_ranges_size() > 0; });
    if (!blocks || place.http_addresses.empty()) return;
    std::ranges::sort(place.http_addresses);
    const auto twice = std::ranges::unique(place.http_addresses);
    place.http_addresses.erase(twice.begin(), twice.end());
    FilterChain chain = listener.filter_chains(0);
    for (const std::string& address : place.http_addresses) {
      auto* range = chain.mutable_filter_chain_match()->add_prefix_ranges();
      range->set_address_prefix(address);
      range->mutable_prefix_len()->set_value(address.find(':') == std::string::npos ? 32 : 128);
    }
    *listener.add_filter_chains() = std::move(chain);
  }

  Resource finish(Dialled& place) const {
    Listener listener = listener_on(place.ip, place.port);
    bool http = !place.route_name.empty();
    bool names = std::ranges::any_of(
        place.narrow, [](const FilterChain& chain) { return chain.filter_chain_match().server_names_size() > 0; });
    if (http) {
      auto& chain = *listener.add_filter_chains();
      chain.mutable_filter_chain_match()->set_transport_protocol("raw_buffer");
      chain.mutable_filter_chain_match()->add_application_protocols("http/1.1");
      chain.mutable_filter_chain_match()->add_application_protocols("h2c");
      add_http(chain, view,
               {.direction = Direction::Outbound,
                .stat_prefix = "outbound_" + listener.name() + ";",
                .route_name = place.route_name,
                .protocol = place.protocol});
      set_connect_timeout(chain);
      add_exact(listener, place);
    }
    for (FilterChain& chain : place.narrow) *listener.add_filter_chains() = std::move(chain);
    bool alone = listener.filter_chains().empty() && place.rest;
    if (alone)
      *listener.add_filter_chains() = std::move(*place.rest);
    else if (place.rest)
      *listener.mutable_default_filter_chain() = std::move(*place.rest);
    else
      *listener.mutable_default_filter_chain() = elsewhere();
    if (names) add_tls_inspector(listener);
    if (http) add_http_inspector(listener);
    set(listener.mutable_listener_filters_timeout(), view.mesh().protocol_detection_timeout);
    listener.set_continue_on_listener_filters_timeout(true);
    listener.set_traffic_direction(core::OUTBOUND);
    listener.mutable_bind_to_port()->set_value(false);
    return resource_of(std::move(listener), std::move(place.provenance));
  }

  // The one that is bound: it hands connections to the others by the address
  // that was dialled, and keeps what nobody knows.
  Resource capture() const {
    Listener listener;
    listener.set_name("virtualOutbound");
    set_address(listener.mutable_address(), kAnyAddress, view.mesh().outbound_port);
    auto& direct = *listener.add_filter_chains();
    direct.set_name("virtualOutbound-blackhole");
    direct.mutable_filter_chain_match()->mutable_destination_port()->set_value(
        static_cast<uint32_t>(view.mesh().outbound_port));
    add_tcp(direct, view, "BlackHoleCluster");
    auto& unknown = *listener.add_filter_chains();
    unknown.set_name("virtualOutbound-catchall-tcp");
    add_tcp(unknown, view, view.registry_only() ? "BlackHoleCluster" : "PassthroughCluster");
    listener.mutable_use_original_dst()->set_value(true);
    listener.set_traffic_direction(core::OUTBOUND);
    listener.mutable_max_connections_to_accept_per_socket_event()->set_value(1);
    add_listener_access_log(listener, view);
    return resource_of(std::move(listener), {});
  }
};

}  // namespace

// The ports at which a sidecar takes what was captured: it would hand connections to itself.
static bool is_own(const mesh::View& view, int port) {
  return view.proxy().capture && (port == view.mesh().outbound_port || port == view.mesh().inbound_port);
}

void add_outbound_listeners(const mesh::View& view, std::vector<Resource>& out) {
  Builder builder{view, {}};
  for (const auto& service : view.services()) {
    if (service->resolution == mesh::Resolution::Alias) continue;
    for (const mesh::Port& port : service->ports)
      if (port.protocol != mesh::Protocol::Udp && !is_own(view, port.number)) builder.add(*service, port);
  }
  for (auto& [key, place] : builder.dialled) out.push_back(builder.finish(place));
  if (view.proxy().capture) out.push_back(builder.capture());
}

}  // namespace translate
