// SPDX-License-Identifier: Apache-2.0
#include "envoy/config/core/v3/address.pb.h"
#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "envoy/extensions/filters/http/grpc_stats/v3/config.pb.h"
#include "envoy/extensions/filters/http/grpc_web/v3/grpc_web.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.pb.h"
#include "envoy/extensions/filters/listener/original_dst/v3/original_dst.pb.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb.h"
#include "envoy/extensions/request_id/uuid/v3/uuid.pb.h"
#include "translate/listener.h"
#include "translate/parts.h"

namespace translate {
namespace {

namespace http = envoy::extensions::filters::http;
namespace inspectors = envoy::extensions::filters::listener;
using hcm_v3::HttpConnectionManager;

void add_filter(HttpConnectionManager& manager, const char* name, const google::protobuf::Message& config) {
  auto* filter = manager.add_http_filters();
  filter->set_name(name);
  pack(config, filter->mutable_typed_config());
}

// The order is Istio's: who may ask, then what is counted and changed, then
// the router. fault and cors are always there, for the routes that use them.
void add_http_filters(HttpConnectionManager& manager, const mesh::View& view, const HttpServer& server) {
  if (server.direction != Direction::Outbound) add_http_security(manager, view);
  if (server.protocol == mesh::Protocol::GrpcWeb)
    add_filter(manager, "envoy.filters.http.grpc_web", http::grpc_web::v3::GrpcWeb());
  http::grpc_stats::v3::FilterConfig grpc;
  grpc.set_emit_filter_state(true);
  grpc.mutable_stats_for_all_methods()->set_value(false);
  add_filter(manager, "envoy.filters.http.grpc_stats", grpc);
  add_filter(manager, "envoy.filters.http.fault", http::fault::v3::HTTPFault());
  add_filter(manager, "envoy.filters.http.cors", http::cors::v3::Cors());
  add_filter(manager, "envoy.filters.http.router", http::router::v3::Router());
}

void set_identity(HttpConnectionManager& manager, Direction direction) {
  manager.mutable_use_remote_address()->set_value(direction == Direction::Gateway);
  if (direction == Direction::Outbound) return;
  manager.set_server_name("istio-envoy");
  auto* details = manager.mutable_set_current_client_cert_details();
  details->mutable_subject()->set_value(true);
  details->set_dns(true);
  details->set_uri(true);
  if (direction == Direction::Gateway) {
    details->set_cert(true);
    manager.set_forward_client_cert_details(HttpConnectionManager::SANITIZE_SET);
  } else {
    manager.set_forward_client_cert_details(HttpConnectionManager::APPEND_FORWARD);
  }
}

void add_listener_filter(Listener& listener, const char* name, const google::protobuf::Message& config) {
  auto* filter = listener.add_listener_filters();
  filter->set_name(name);
  pack(config, filter->mutable_typed_config());
}

}  // namespace

void add_http(FilterChain& chain, const mesh::View& view, HttpServer server) {
  HttpConnectionManager manager;
  manager.set_stat_prefix(server.stat_prefix);
  if (server.routes) {
    *manager.mutable_route_config() = std::move(*server.routes);
  } else {
    use_ads(manager.mutable_rds()->mutable_config_source());
    manager.mutable_rds()->set_route_config_name(server.route_name);
  }
  add_http_filters(manager, view, server);
  set_identity(manager, server.direction);
  if (server.direction == Direction::Gateway) manager.mutable_http_protocol_options();
  if (mesh::is_http2(server.protocol) && server.direction == Direction::Inbound)
    manager.mutable_http2_protocol_options();
  manager.mutable_stream_idle_timeout();
  manager.set_proxy_100_continue(true);
  manager.add_upgrade_configs()->set_upgrade_type("websocket");
  manager.mutable_normalize_path()->set_value(true);
  manager.set_path_with_escaped_slashes_action(HttpConnectionManager::KEEP_UNCHANGED);
  envoy::extensions::request_id::uuid::v3::UuidRequestIdConfig request_id;
  request_id.mutable_use_request_id_for_trace_sampling()->set_value(true);
  pack(request_id, manager.mutable_request_id_extension()->mutable_typed_config());
  add_access_log(manager.mutable_access_log(), view);

  auto* filter = chain.add_filters();
  filter->set_name("envoy.filters.network.http_connection_manager");
  pack(manager, filter->mutable_typed_config());
}

void add_tcp(FilterChain& chain, const mesh::View& view, const TcpTarget& target) {
  tcp_v3::TcpProxy proxy;
  proxy.set_stat_prefix(target.stat_prefix);
  if (target.clusters.size() == 1) {
    proxy.set_cluster(target.clusters.front().first);
  } else {
    for (const auto& [name, weight] : target.clusters) {
      auto* share = proxy.mutable_weighted_clusters()->add_clusters();
      share->set_name(name);
      share->set_weight(weight);
    }
  }
  if (target.idle_timeout) *proxy.mutable_idle_timeout() = *target.idle_timeout;
  if (target.tunnel) {
    const std::string& host = target.tunnel->target_host();
    const bool ipv6 = host.find(':') != std::string::npos;
    auto& tunneling = *proxy.mutable_tunneling_config();
    tunneling.set_hostname((ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(target.tunnel->target_port()));
    tunneling.set_use_post(target.tunnel->protocol() == "POST");
  }
  add_access_log(proxy.mutable_access_log(), view);
  auto* filter = chain.add_filters();
  filter->set_name("envoy.filters.network.tcp_proxy");
  pack(proxy, filter->mutable_typed_config());
}

void add_tcp(FilterChain& chain, const mesh::View& view, const std::string& cluster) {
  add_tcp(chain, view, TcpTarget{.stat_prefix = cluster, .clusters = {{cluster, 1}}});
}

void add_http_inspector(Listener& listener) {
  add_listener_filter(listener, "envoy.filters.listener.http_inspector",
                      inspectors::http_inspector::v3::HttpInspector());
}

void add_tls_inspector(Listener& listener) {
  inspectors::tls_inspector::v3::TlsInspector config;
  config.mutable_initial_read_buffer_size()->set_value(512);
  add_listener_filter(listener, "envoy.filters.listener.tls_inspector", config);
}

void add_original_destination(Listener& listener) {
  add_listener_filter(listener, "envoy.filters.listener.original_dst", inspectors::original_dst::v3::OriginalDst());
}

Listener listener_on(const std::string& ip, int port) {
  Listener listener;
  listener.set_name(ip + "_" + std::to_string(port));
  set_address(listener.mutable_address(), ip, port);
  return listener;
}

void set_connect_timeout(FilterChain& chain) { chain.mutable_transport_socket_connect_timeout()->set_seconds(15); }

Resource resource_of(Listener listener, std::vector<objects::Ref> provenance) {
  std::string name = listener.name();
  return {std::move(name), std::make_shared<const Listener>(std::move(listener)), std::move(provenance)};
}

std::vector<Resource> shared_listeners(const mesh::View& view) {
  std::vector<Resource> out;
  if (view.proxy().type == mesh::ProxyType::Sidecar)
    add_outbound_listeners(view, out);
  else
    add_gateway_listeners(view, out);
  return out;
}

std::vector<Resource> own_listeners(const mesh::View& view) {
  std::vector<Resource> out;
  if (view.proxy().type == mesh::ProxyType::Sidecar) add_inbound_listener(view, out);
  return out;
}

std::vector<Resource> listeners(const mesh::View& view) {
  std::vector<Resource> out = shared_listeners(view);
  std::ranges::move(own_listeners(view), std::back_inserter(out));
  std::ranges::sort(out, {}, &Resource::name);
  return out;
}

}  // namespace translate
