// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/specs.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/listener/v3/listener_components.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "mesh/view.h"
#include "translate/envoy.h"
#include "translate/translate.h"

namespace translate {

using listeners_v3::FilterChain;
using listeners_v3::Listener;

enum class Direction { Outbound, Inbound, Gateway };

// The HTTP connection manager of one filter chain.
struct HttpServer {
  Direction direction = Direction::Outbound;
  std::string stat_prefix;
  std::string route_name;                               // asked for over RDS,
  std::optional<routes_v3::RouteConfiguration> routes;  // or written inline
  mesh::Protocol protocol = mesh::Protocol::Http;
};
void add_http(FilterChain& chain, const mesh::View& view, HttpServer server);

// A TCP proxy to one cluster, or to shares of several.
struct TcpTarget {
  std::string stat_prefix;
  std::vector<std::pair<std::string, uint32_t>> clusters;
  std::optional<google::protobuf::Duration> idle_timeout = std::nullopt;
  std::optional<istio_api::TrafficPolicy_TunnelSettings> tunnel = std::nullopt;
};
void add_tcp(FilterChain& chain, const mesh::View& view, const TcpTarget& target);
// One cluster, under its own name.
void add_tcp(FilterChain& chain, const mesh::View& view, const std::string& cluster);

// Listener filters.
void add_http_inspector(Listener& listener);
void add_tls_inspector(Listener& listener);
void add_original_destination(Listener& listener);

// envoy.filters.* that guard this workload: JWT and RBAC, for HTTP and for TCP.
void add_http_security(hcm_v3::HttpConnectionManager& manager, const mesh::View& view);
void add_tcp_security(FilterChain& chain, const mesh::View& view);

// Access logs as the mesh or a Telemetry asks for them, in either list.
void add_access_log(google::protobuf::RepeatedPtrField<accesslog_v3::AccessLog>* logs, const mesh::View& view);
// The listener's own: connections that no filter chain took.
void add_listener_access_log(Listener& listener, const mesh::View& view);

Listener listener_on(const std::string& ip, int port);
void set_connect_timeout(FilterChain& chain);  // of a chain that leads out

// The layer 4 routes of VirtualServices for one port.
struct Layer4Route {
  std::vector<std::string> sni_hosts;  // empty: any
  std::vector<std::string> subnets;    // destination CIDRs; empty: any
  TcpTarget target;
  objects::Ref cause;
};

void add_outbound_listeners(const mesh::View& view, std::vector<Resource>& out);
void add_inbound_listener(const mesh::View& view, std::vector<Resource>& out);
void add_gateway_listeners(const mesh::View& view, std::vector<Resource>& out);

Resource resource_of(Listener listener, std::vector<objects::Ref> provenance);

}  // namespace translate
