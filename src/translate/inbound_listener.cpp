// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>

#include "envoy/type/v3/range.pb.h"
#include "translate/listener.h"
#include "translate/route.h"
#include "translate/tls.h"

namespace translate {
namespace {

using mesh::MtlsMode;

// What a client's sidecar offers as ALPN: by it the server's chooses the chain.
constexpr const char* kMeshHttp[] = {"istio-http/1.0", "istio-http/1.1", "istio-h2"};
constexpr const char* kMeshTcp[] = {"istio-peer-exchange", "istio"};
constexpr const char* kMeshAny[] = {"istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"};
constexpr const char* kPlainHttp[] = {"http/1.1", "h2c"};

enum class Wire { Tls, Raw };                // how the bytes arrive
enum class Ends { Here, AtTheApplication };  // where TLS ends

// One row of the table of chains: what arrives, what is made of it.
struct Row {
  Wire wire;
  std::span<const char* const> alpn;  // empty: any
  Layer layer;
  Ends ends;
};

// The rows for one mode and protocol, in Istio's order.
std::vector<Row> rows_for(MtlsMode mode, mesh::Protocol protocol) {
  const Row mesh_http{Wire::Tls, kMeshHttp, Layer::Http, Ends::Here};
  const Row mesh_tcp{Wire::Tls, kMeshTcp, Layer::Tcp, Ends::Here};
  const Row plain_http{Wire::Raw, kPlainHttp, Layer::Http, Ends::AtTheApplication};
  const Row plain_tcp{Wire::Raw, {}, Layer::Tcp, Ends::AtTheApplication};
  const Row own_tls{Wire::Tls, {}, Layer::Tcp, Ends::AtTheApplication};
  bool http = mesh::is_http(protocol);
  bool sniffed = protocol == mesh::Protocol::Auto;
  Layer layer = http ? Layer::Http : Layer::Tcp;
  switch (mode) {
    case MtlsMode::Permissive:
      if (sniffed) return {mesh_http, plain_http, mesh_tcp, plain_tcp, own_tls};
      if (http) return {{Wire::Tls, kMeshAny, layer, Ends::Here}, {Wire::Raw, {}, layer, Ends::AtTheApplication}};
      return {{Wire::Tls, kMeshAny, layer, Ends::Here}, own_tls, plain_tcp};
    case MtlsMode::Strict:
      if (sniffed) return {mesh_http, {Wire::Tls, {}, Layer::Tcp, Ends::Here}};
      return {{Wire::Tls, {}, layer, Ends::Here}};
    case MtlsMode::Disable:
      if (sniffed) return {plain_http, plain_tcp, own_tls};
      if (http) return {{Wire::Raw, {}, layer, Ends::AtTheApplication}};
      return {plain_tcp, own_tls};
  }
  return {};
}

// What the chains of one port have in common.
struct Target {
  int port = 0;  // 0: any that is not declared
  std::string cluster;
  std::string stat_prefix;
  std::string chain_name;
  std::string http_chain_name;
  mesh::Protocol protocol = mesh::Protocol::Auto;
  int service_port = 0;
  std::string hostname;
};

// Inline, since it never changes with a VirtualService: all requests to the
// application.
routes_v3::RouteConfiguration inline_routes(const Target& target) {
  routes_v3::RouteConfiguration out;
  out.set_name(target.cluster);
  out.mutable_validate_clusters()->set_value(false);
  auto& host = *out.add_virtual_hosts();
  host.set_name("inbound|http|" + std::to_string(target.service_port));
  host.add_domains("*");
  auto& route = *host.add_routes();
  route.set_name("default");
  route.mutable_match()->set_prefix("/");
  auto& action = *route.mutable_route();
  action.set_cluster(target.cluster);
  action.mutable_timeout();
  action.mutable_max_stream_duration()->mutable_max_stream_duration();
  action.mutable_max_stream_duration()->mutable_grpc_timeout_header_max();
  if (target.protocol != mesh::Protocol::Grpc && target.protocol != mesh::Protocol::GrpcWeb) {
    action.mutable_retry_policy()->set_retry_on("reset-before-request");
    action.mutable_retry_policy()->mutable_num_retries()->set_value(2);
  }
  route.mutable_decorator()->set_operation(target.hostname + ":" + std::to_string(target.service_port) + "/*");
  return out;
}

FilterChain chain_for(const Row& row, const Target& target, const mesh::View& view) {
  FilterChain chain;
  auto& match = *chain.mutable_filter_chain_match();
  if (target.port != 0) match.mutable_destination_port()->set_value(static_cast<uint32_t>(target.port));
  match.set_transport_protocol(row.wire == Wire::Tls ? "tls" : "raw_buffer");
  for (const char* protocol : row.alpn) match.add_application_protocols(protocol);
  if (row.ends == Ends::Here) set_inbound_tls(chain.mutable_transport_socket(), view.mesh(), row.layer);
  if (row.layer == Layer::Http) {
    chain.set_name(target.http_chain_name);
    add_http(chain, view,
             {.direction = Direction::Inbound,
              .stat_prefix = target.stat_prefix,
              .routes = inline_routes(target),
              .protocol = target.protocol});
  } else {
    chain.set_name(target.chain_name);
    add_tcp_security(chain, view);
    add_tcp(chain, view, target.cluster);
  }
  return chain;
}

Target passthrough_target() {
  return {.cluster = "InboundPassthroughCluster",
          .stat_prefix = "InboundPassthroughCluster;",
          .chain_name = "virtualInbound",
          .http_chain_name = "virtualInbound-catchall-http"};
}

Target target_of(const mesh::InboundPort& port) {
  std::string name = "0.0.0.0_" + std::to_string(port.target);
  return {.port = port.target,
          .cluster = cluster_name("inbound", port.target, "", ""),
          .stat_prefix = "inbound_" + name + ";",
          .chain_name = name,
          .http_chain_name = name,
          .protocol = port.port.protocol,
          .service_port = port.port.number,
          .hostname = port.service->hostname};
}

// Ports at which an inspector must not wait for the client's first bytes.
void disable_at(listeners_v3::ListenerFilter& filter, const std::vector<int>& ports) {
  auto range = [](listeners_v3::ListenerFilterChainMatchPredicate& predicate, int port) {
    predicate.mutable_destination_port_range()->set_start(port);
    predicate.mutable_destination_port_range()->set_end(port + 1);
  };
  auto& predicate = *filter.mutable_filter_disabled();
  if (ports.size() == 1) {
    range(predicate, ports.front());
    return;
  }
  for (int port : ports) range(*predicate.mutable_or_match()->add_rules(), port);
}

// Whether a chain asks if plain text is HTTP: else nobody needs to look.
bool tells_plain_http_apart(const Listener& listener) {
  return std::ranges::any_of(listener.filter_chains(), [](const FilterChain& chain) {
    const auto& match = chain.filter_chain_match();
    return match.transport_protocol() == "raw_buffer" && match.application_protocols_size() > 0;
  });
}

}  // namespace

void add_inbound_listener(const mesh::View& view, std::vector<Resource>& out) {
  if (!view.proxy().capture) return;
  Listener listener;
  listener.set_name("virtualInbound");
  set_address(listener.mutable_address(), "0.0.0.0", view.mesh().inbound_port);

  auto& direct = *listener.add_filter_chains();
  direct.set_name("virtualInbound-blackhole");
  direct.mutable_filter_chain_match()->mutable_destination_port()->set_value(
      static_cast<uint32_t>(view.mesh().inbound_port));
  add_tcp(direct, view, "BlackHoleCluster");

  for (const Row& row : rows_for(view.mtls_mode(0), mesh::Protocol::Auto))
    *listener.add_filter_chains() = chain_for(row, passthrough_target(), view);

  std::map<int, const mesh::InboundPort*> by_target;  // the oldest Service decides the protocol
  for (const mesh::InboundPort& port : view.inbound_ports()) by_target.emplace(port.target, &port);
  std::vector<int> no_tls = {view.mesh().inbound_port};
  std::vector<int> no_http = {view.mesh().inbound_port};
  std::vector<objects::Ref> provenance;
  for (const auto& [number, port] : by_target) {
    if (number == view.mesh().inbound_port) continue;
    MtlsMode mode = view.mtls_mode(number);
    for (const Row& row : rows_for(mode, port->port.protocol))
      *listener.add_filter_chains() = chain_for(row, target_of(*port), view);
    if (port->port.protocol != mesh::Protocol::Auto) no_http.push_back(number);
    if (mode == MtlsMode::Disable && mesh::is_http(port->port.protocol)) no_tls.push_back(number);
    provenance.push_back(port->service->ref);
  }

  // Ports that no Service names have the mode that a PeerAuthentication gives them, whatever comes in there.
  for (int number : view.ports_with_mtls_mode()) {
    if (number == view.mesh().inbound_port || by_target.contains(number)) continue;
    Target target = passthrough_target();
    target.port = number;
    for (const Row& row : rows_for(view.mtls_mode(number), target.protocol))
      *listener.add_filter_chains() = chain_for(row, target, view);
  }

  add_original_destination(listener);
  add_tls_inspector(listener);
  disable_at(*listener.mutable_listener_filters(1), no_tls);
  if (tells_plain_http_apart(listener)) {
    add_http_inspector(listener);
    disable_at(*listener.mutable_listener_filters(2), no_http);
  }
  set(listener.mutable_listener_filters_timeout(), view.mesh().protocol_detection_timeout);
  listener.set_continue_on_listener_filters_timeout(true);
  listener.set_traffic_direction(core::INBOUND);
  listener.mutable_max_connections_to_accept_per_socket_event()->set_value(1);
  add_listener_access_log(listener, view);
  out.push_back(resource_of(std::move(listener), std::move(provenance)));
}

}  // namespace translate
