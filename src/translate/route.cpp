// SPDX-License-Identifier: Apache-2.0
#include "translate/route.h"

#include <algorithm>

#include "base/strings.h"
#include "mesh/labels.h"
#include "translate/translate.h"

namespace translate {
namespace {

// Whether a match can hold here at all. Where gateways are named the source's
// labels are not looked at, as in Istio.
bool holds_here(const istio_api::HTTPMatchRequest& match, const Place& place) {
  if (match.port() != 0 && match.port() != static_cast<uint32_t>(place.port)) return false;
  if (match.gateways_size() > 0)
    return std::ranges::any_of(match.gateways(), [&](const auto& name) { return place.gateways.contains(name); });
  if (!mesh::has_all(place.view.labels(), match.source_labels())) return false;
  return match.source_namespace().empty() || match.source_namespace() == place.view.proxy().ns;
}

routes_v3::Route route_of(const config::VirtualService& virtual_service, const istio_api::HTTPRoute& http,
                          const istio_api::HTTPMatchRequest* match, const Place& place) {
  routes_v3::Route out;
  out.set_name(http.name());
  if (match && !match->name().empty()) out.set_name(http.name() + "." + match->name());
  if (match)
    fill_match(*out.mutable_match(), *match);
  else
    out.mutable_match()->set_prefix("/");
  fill_action(out, http, place);
  if (http.has_headers()) apply_headers(out, http.headers());
  apply_filters(out, http);
  set_provenance(out.mutable_metadata(), virtual_service.meta.ref);
  out.mutable_decorator()->set_operation(operation_of(out, virtual_service.meta.ref.name, place.port));
  return out;
}

}  // namespace

bool takes_everything(const routes_v3::Route& route) {
  const auto& match = route.match();
  bool all_paths = match.prefix() == "/" || match.safe_regex().regex() == ".*" || match.safe_regex().regex() == "*";
  return all_paths && match.headers_size() == 0 && match.query_parameters_size() == 0 &&
         match.dynamic_metadata_size() == 0;
}

std::string operation_of(const routes_v3::Route& route, std::string_view otherwise, int port) {
  std::string path = "/*";
  if (route.match().has_prefix())
    path = route.match().prefix() + "*";
  else if (route.match().has_path())
    path = route.match().path();
  else if (route.match().has_safe_regex())
    path = route.match().safe_regex().regex();
  if (auto parts = base::split(route.route().cluster(), '|'); parts.size() == 4)
    return std::string(parts[3]) + ":" + std::string(parts[1]) + path;
  return std::string(otherwise) + ":" + std::to_string(port) + path;
}

std::vector<routes_v3::Route> http_routes(const config::VirtualService& virtual_service, const Place& place) {
  std::vector<routes_v3::Route> out;
  for (const auto& http : virtual_service.spec.http()) {
    if (http.match_size() == 0) {
      out.push_back(route_of(virtual_service, http, nullptr, place));
      return out;
    }
    for (const auto& match : http.match()) {
      if (!holds_here(match, place)) continue;
      out.push_back(route_of(virtual_service, http, &match, place));
      if (takes_everything(out.back())) return out;
    }
  }
  return out;
}

routes_v3::Route default_route(const mesh::View& view, const mesh::Service& service, int port) {
  routes_v3::Route out;
  out.set_name("default");
  out.mutable_match()->set_prefix("/");
  auto& action = *out.mutable_route();
  action.set_cluster(cluster_name("outbound", port, "", service.hostname));
  action.mutable_timeout();
  action.mutable_max_grpc_timeout();
  fill_default_retries(*action.mutable_retry_policy(), view.mesh());
  add_hash_policy(action, view, service, port, "");
  out.mutable_decorator()->set_operation(operation_of(out, service.hostname, port));
  return out;
}

routes_v3::RouteConfiguration empty_table(const std::string& name) {
  routes_v3::RouteConfiguration table;
  table.set_name(name);
  table.mutable_validate_clusters()->set_value(false);
  table.mutable_max_direct_response_body_size_bytes()->set_value(1 << 20);
  table.set_ignore_port_in_host_matching(true);
  return table;
}

std::vector<Resource> routes(const mesh::View& view, std::span<const std::string> names) {
  std::vector<Resource> out;
  out.reserve(names.size());
  for (const std::string& name : names) {
    std::vector<objects::Ref> provenance;
    auto table = view.proxy().type == mesh::ProxyType::Sidecar ? sidecar_routes(view, name, provenance)
                                                               : gateway_routes(view, name, provenance);
    out.push_back(
        {name, std::make_shared<const routes_v3::RouteConfiguration>(std::move(table)), std::move(provenance)});
  }
  return out;
}

}  // namespace translate
