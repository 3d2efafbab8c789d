// SPDX-License-Identifier: Apache-2.0
#include "decide/decide.h"

#include <algorithm>
#include <map>

#include "base/strings.h"
#include "decide/request.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/endpoint/v3/endpoint_components.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "proxy/runtime/compile.h"
#include "translate/translate.h"

namespace decide {
namespace {

namespace listener_v3 = envoy::config::listener::v3;
namespace cluster_v3 = envoy::config::cluster::v3;
namespace endpoint_v3 = envoy::config::endpoint::v3;
namespace route_v3 = envoy::config::route::v3;

// The proxy's side of the story: its resources, compiled as they are needed.
struct Trial {
  const mesh::View& view;
  proxy::Slots slots{};
  proxy::LogFiles logs = {};
  std::map<std::string, std::shared_ptr<const proxy::Listener>> listeners = {};
  std::map<std::string, cluster_v3::Cluster> clusters = {};

  proxy::Compiler compiler() { return {slots, logs}; }

  base::Result<void> compile_listeners() {
    for (const auto& resource : translate::listeners(view)) {
      const auto& message = static_cast<const listener_v3::Listener&>(*resource.message);
      auto compiled = compiler().listener(message);
      if (!compiled)
        return base::fail(compiled.error().kind, "listener " + resource.name + ": " + compiled.error().message);
      listeners.emplace(resource.name, std::move(*compiled));
    }
    for (const auto& resource : translate::clusters(view))
      clusters.emplace(resource.name, static_cast<const cluster_v3::Cluster&>(*resource.message));
    return {};
  }

  // Sidecars: the listener of that very address, of any address, or the one
  // that captures. Gateways: the one on that port.
  const proxy::Listener* listener_for(const net::Address& address) const {
    std::string port = "_" + std::to_string(address.port());
    for (const std::string& name : {address.ip() + port, "0.0.0.0" + port, std::string("virtualOutbound")})
      if (auto found = listeners.find(name); found != listeners.end()) return found->second.get();
    return nullptr;
  }

  template <typename Names>
  static std::string name_of(const Names& names, proxy::Slot slot) {
    for (const auto& [name, index] : names)
      if (index == slot) return name;
    return "";
  }

  std::string cluster_name(proxy::Slot slot) { return name_of(*slots.cluster_names(), slot); }

  Share share_of(proxy::Slot slot, uint32_t weight) {
    Share out{cluster_name(slot), weight, false, {}};
    auto cluster = clusters.find(out.cluster);
    out.known = cluster != clusters.end();
    if (!out.known) return out;
    endpoint_v3::ClusterLoadAssignment assignment = cluster->second.load_assignment();
    if (cluster->second.type() == cluster_v3::Cluster::EDS) {
      auto found = translate::endpoints(view, std::vector{out.cluster});
      assignment = static_cast<const endpoint_v3::ClusterLoadAssignment&>(*found.front().message);
    }
    for (const auto& group : assignment.endpoints())
      for (const auto& endpoint : group.lb_endpoints()) {
        const auto& address = endpoint.endpoint().address().socket_address();
        out.endpoints.push_back(address.address() + ":" + std::to_string(address.port_value()));
      }
    return out;
  }

  // Whether anything can answer. ORIGINAL_DST has its endpoint in the request.
  bool reachable(const Share& share) const {
    auto cluster = clusters.find(share.cluster);
    return !share.endpoints.empty() ||
           (cluster != clusters.end() && cluster->second.type() == cluster_v3::Cluster::ORIGINAL_DST);
  }

  void judge(Decision& out) const {
    bool one_is_known = std::ranges::any_of(out.shares, &Share::known);
    bool one_answers = std::ranges::any_of(out.shares, [&](const Share& share) { return reachable(share); });
    if (one_answers) return;
    out.status = out.tcp ? 0 : 503;
    out.why = one_is_known ? "UH" : "NC";
  }

  void through_tcp(Decision& out, const proxy::TcpConfig& tcp) {
    out.tcp = true;
    for (const auto& target : tcp.targets) out.shares.push_back(share_of(target.cluster, target.weight));
    judge(out);
  }

  base::Result<std::shared_ptr<const proxy::RouteTable>> table_for(const proxy::HttpConfig& http, Decision& out) {
    if (http.own_routes) {
      out.route_table = http.own_routes->name;
      return http.own_routes;
    }
    out.route_table = name_of(slots.route_table_names(), http.routes);
    auto found = translate::routes(view, std::vector{out.route_table});
    return compiler().route_table(static_cast<const route_v3::RouteConfiguration&>(*found.front().message));
  }

  base::Result<void> through_http(Decision& out, const proxy::HttpConfig& http, const http::RequestHead& head) {
    auto table = TRY(table_for(http, out));
    proxy::Chosen chosen = proxy::choose(*table, head, {});
    if (chosen.host) out.virtual_host = chosen.host->name;
    if (chosen.host && chosen.host->require_tls != proxy::VirtualHost::Tls::Any && head.scheme == "http") {
      out.status = 301;
      out.location = "https://" + head.authority + head.path;
      return {};
    }
    if (!chosen.route) {
      out.status = 404;
      out.why = "NR";
      return {};
    }
    out.route = chosen.route->name;
    out.origin = chosen.route->origin;
    if (auto* redirect = std::get_if<proxy::Redirect>(&chosen.route->action)) {
      out.status = redirect->status;
      out.location = proxy::location_of(*chosen.route, *redirect, head);
    } else if (auto* direct = std::get_if<proxy::DirectResponse>(&chosen.route->action)) {
      out.status = direct->status;
      out.body = direct->body;
    } else if (auto* forward = std::get_if<proxy::Forward>(&chosen.route->action)) {
      through_forward(out, *chosen.route, *forward, head);
    }
    return {};
  }

  void through_forward(Decision& out, const proxy::Route& route, const proxy::Forward& forward,
                       const http::RequestHead& head) {
    out.path = proxy::rewritten_path(route, forward, head.path);
    out.authority = forward.host_rewrite.empty() ? head.authority : forward.host_rewrite;
    out.timeout = forward.timeout;
    if (forward.retry) out.retries = forward.retry->retries;
    for (const auto& target : forward.targets) out.shares.push_back(share_of(target.cluster, target.weight));
    judge(out);
  }
};

}  // namespace

base::Result<Decision> decide(const mesh::View& view, const Request& request) {
  Dialled dialled = TRY(dial(view, request));
  Trial trial{view};
  TRY(trial.compile_listeners());
  Decision out;
  const proxy::Listener* listener = trial.listener_for(dialled.address);
  if (!listener) {
    out.why = "NR";
    return out;
  }
  out.listener = listener->name;
  proxy::Arrival arrival{.local = dialled.address, .remote = dialled.address};
  std::string server_name(dialled.head.authority.substr(0, dialled.head.authority.find(':')));
  if (dialled.head.scheme == "https") {
    arrival.transport = "tls";
    arrival.server_name = server_name;
    arrival.protocols = {"h2", "http/1.1"};
  } else {
    arrival.protocols = {"http/1.1"};
  }
  const proxy::FilterChain* chain = listener->chain_for(arrival);
  if (!chain) {
    out.why = "NR";
    return out;
  }
  out.chain = chain->name;
  if (chain->http)
    TRY(trial.through_http(out, *chain->http, dialled.head));
  else if (chain->tcp)
    trial.through_tcp(out, *chain->tcp);
  return out;
}

}  // namespace decide
