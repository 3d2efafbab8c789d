// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "config/specs.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "mesh/view.h"
#include "translate/envoy.h"

namespace translate {

// From where a VirtualService is read: a sidecar's port or a server of a gateway.
struct Place {
  const mesh::View& view;
  int port = 0;                    // of the Service, or as the Gateway writes it
  std::set<std::string> gateways;  // "mesh", or "namespace/name"
  // A destination that could tell its own port; nullptr: `port` is meant.
  std::function<const mesh::Service*(const std::string& hostname)> service;
};

// The routes of one VirtualService, in its order, up to the first that takes
// everything. Matches that can never hold here are left out.
std::vector<routes_v3::Route> http_routes(const config::VirtualService& virtual_service, const Place& place);

// All requests to one port of one service.
routes_v3::Route default_route(const mesh::View& view, const mesh::Service& service, int port);

bool takes_everything(const routes_v3::Route& route);

// The parts of a route, one file each.
void fill_match(routes_v3::RouteMatch& out, const istio_api::HTTPMatchRequest& match);
void fill_action(routes_v3::Route& out, const istio_api::HTTPRoute& http, const Place& place);
void fill_retries(routes_v3::RetryPolicy& out, const istio_api::HTTPRetry& retries);
void fill_default_retries(routes_v3::RetryPolicy& out, const mesh::MeshConfig& mesh);
void apply_headers(routes_v3::Route& out, const istio_api::Headers& headers);
void apply_filters(routes_v3::Route& out, const istio_api::HTTPRoute& http);  // fault and CORS
void fill(matcher::StringMatcher& out, const istio_api::StringMatch& match);
void add_hash_policy(routes_v3::RouteAction& action, const mesh::View& view, const mesh::Service& service, int port,
                     std::string_view subset);

std::string destination_cluster(const istio_api::Destination& destination, const Place& place);

// "reviews.default.svc.cluster.local:9080/api*": what traces call the route.
std::string operation_of(const routes_v3::Route& route, std::string_view otherwise, int port);

// RouteConfigurations of the two kinds of proxies, by name.
routes_v3::RouteConfiguration empty_table(const std::string& name);
routes_v3::RouteConfiguration sidecar_routes(const mesh::View& view, const std::string& name,
                                             std::vector<objects::Ref>& provenance);
routes_v3::RouteConfiguration gateway_routes(const mesh::View& view, const std::string& name,
                                             std::vector<objects::Ref>& provenance);

}  // namespace translate
