// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "envoy/type/matcher/v3/regex.pb.h"
#include "translate/policy.h"
#include "translate/route.h"
#include "translate/translate.h"

namespace translate {
namespace {

using routes_v3::RedirectAction;
using routes_v3::RouteAction;

RedirectAction::RedirectResponseCode redirect_code(uint32_t code) {
  switch (code) {
    case 302:
      return RedirectAction::FOUND;
    case 303:
      return RedirectAction::SEE_OTHER;
    case 307:
      return RedirectAction::TEMPORARY_REDIRECT;
    case 308:
      return RedirectAction::PERMANENT_REDIRECT;
    default:
      return RedirectAction::MOVED_PERMANENTLY;
  }
}

void fill(RedirectAction& out, const istio_api::HTTPRedirect& redirect, int port) {
  if (!redirect.authority().empty()) out.set_host_redirect(redirect.authority());
  if (!redirect.scheme().empty()) out.set_scheme_redirect(redirect.scheme());
  if (!redirect.uri().empty()) out.set_path_redirect(redirect.uri());
  uint32_t target = redirect.port();
  if (redirect.has_derive_port() && redirect.derive_port() == istio_api::HTTPRedirect::FROM_REQUEST_PORT)
    target = static_cast<uint32_t>(port);
  bool plain = (redirect.scheme() == "http" && target == 80) || (redirect.scheme() == "https" && target == 443);
  if (!plain) out.set_port_redirect(target);
  out.set_response_code(redirect_code(redirect.redirect_code()));
}

void fill(routes_v3::DirectResponseAction& out, const istio_api::HTTPDirectResponse& direct) {
  out.set_status(direct.status());
  if (!direct.has_body()) return;
  if (direct.body().has_bytes())
    out.mutable_body()->set_inline_bytes(direct.body().bytes());
  else
    out.mutable_body()->set_inline_string(direct.body().string());
}

int port_of(const istio_api::Destination& destination, const Place& place) {
  if (destination.has_port()) return static_cast<int>(destination.port().number());
  const mesh::Service* service = place.service ? place.service(destination.host()) : nullptr;
  return service && service->ports.size() == 1 ? service->ports.front().number : place.port;
}

// Shares of one route. A weight of zero gets nothing; a destination that does
// not resolve keeps its cluster's name, so that its share answers 503.
void add_destinations(routes_v3::Route& out, const istio_api::HTTPRoute& http, const Place& place) {
  auto& action = *out.mutable_route();
  if (http.route_size() == 1) {
    action.set_cluster(destination_cluster(http.route(0).destination(), place));
    if (http.route(0).has_headers()) apply_headers(out, http.route(0).headers());
    return;
  }
  for (const auto& share : http.route()) {
    if (share.weight() == 0) continue;
    auto* cluster = action.mutable_weighted_clusters()->add_clusters();
    cluster->set_name(destination_cluster(share.destination(), place));
    cluster->mutable_weight()->set_value(static_cast<uint32_t>(share.weight()));
    if (!share.has_headers()) continue;
    routes_v3::Route scratch;
    scratch.mutable_route();
    apply_headers(scratch, share.headers());
    cluster->mutable_request_headers_to_add()->Swap(scratch.mutable_request_headers_to_add());
    cluster->mutable_request_headers_to_remove()->Swap(scratch.mutable_request_headers_to_remove());
    cluster->mutable_response_headers_to_add()->Swap(scratch.mutable_response_headers_to_add());
    cluster->mutable_response_headers_to_remove()->Swap(scratch.mutable_response_headers_to_remove());
    if (!scratch.route().host_rewrite_literal().empty())
      cluster->set_host_rewrite_literal(scratch.route().host_rewrite_literal());
  }
}

void add_mirror(RouteAction& action, const istio_api::Destination& destination, std::optional<double> percent,
                const Place& place) {
  if (percent && *percent <= 0) return;
  auto* mirror = action.add_request_mirror_policies();
  mirror->set_cluster(destination_cluster(destination, place));
  auto* fraction = mirror->mutable_runtime_fraction()->mutable_default_value();
  fraction->set_numerator(static_cast<uint32_t>(std::lround(percent.value_or(100) * 10'000)));
  fraction->set_denominator(type_v3::FractionalPercent::MILLION);
  mirror->mutable_trace_sampled()->set_value(false);
  mirror->set_disable_shadow_host_suffix_append(true);
}

void add_mirrors(RouteAction& action, const istio_api::HTTPRoute& http, const Place& place) {
  for (const auto& mirror : http.mirrors()) {
    std::optional<double> percent;
    if (mirror.has_percentage()) percent = mirror.percentage().value();
    add_mirror(action, mirror.destination(), percent, place);
  }
  if (!http.has_mirror()) return;
  std::optional<double> percent;
  if (http.has_mirror_percentage())
    percent = http.mirror_percentage().value();
  else if (http.has_mirror_percent())
    percent = http.mirror_percent().value();
  add_mirror(action, http.mirror(), percent, place);
}

void apply_rewrite(RouteAction& action, const istio_api::HTTPRewrite& rewrite) {
  if (rewrite.has_uri_regex_rewrite()) {
    auto* regex = action.mutable_regex_rewrite();
    regex->mutable_pattern()->set_regex(rewrite.uri_regex_rewrite().match());
    regex->set_substitution(rewrite.uri_regex_rewrite().rewrite());
  } else if (!rewrite.uri().empty()) {
    action.set_prefix_rewrite(rewrite.uri());
  }
  if (!rewrite.authority().empty()) action.set_host_rewrite_literal(rewrite.authority());
}

void fill_forward(routes_v3::Route& out, const istio_api::HTTPRoute& http, const Place& place) {
  auto& action = *out.mutable_route();
  // Explicit zero: Envoy's own default would cut requests off after 15 s.
  action.mutable_timeout();
  if (http.has_timeout()) *action.mutable_timeout() = http.timeout();
  *action.mutable_max_grpc_timeout() = action.timeout();
  if (!http.has_retries())
    fill_default_retries(*action.mutable_retry_policy(), place.view.mesh());
  else if (http.retries().attempts() > 0)
    fill_retries(*action.mutable_retry_policy(), http.retries());
  if (http.has_rewrite()) apply_rewrite(action, http.rewrite());
  add_destinations(out, http, place);
  add_mirrors(action, http, place);
  for (const auto& share : http.route())
    if (const mesh::Service* service = place.view.service(share.destination().host()))
      add_hash_policy(action, place.view, *service, port_of(share.destination(), place), share.destination().subset());
}

}  // namespace

std::string destination_cluster(const istio_api::Destination& destination, const Place& place) {
  return cluster_name("outbound", port_of(destination, place), destination.subset(), destination.host());
}

void fill_action(routes_v3::Route& out, const istio_api::HTTPRoute& http, const Place& place) {
  if (http.has_redirect())
    fill(*out.mutable_redirect(), http.redirect(), place.port);
  else if (http.has_direct_response())
    fill(*out.mutable_direct_response(), http.direct_response());
  else
    fill_forward(out, http, place);
}

void add_hash_policy(RouteAction& action, const mesh::View& view, const mesh::Service& service, int port,
                     std::string_view subset) {
  auto rule = view.destination_rule(service);
  istio_api::TrafficPolicy policy = policy_of(rule.get(), subset, port);
  if (!policy.load_balancer().has_consistent_hash()) return;
  const auto& hash = policy.load_balancer().consistent_hash();
  using Hash = istio_api::LoadBalancerSettings_ConsistentHashLB;
  auto* out = action.add_hash_policy();
  switch (hash.hash_key_case()) {
    case Hash::kHttpHeaderName:
      out->mutable_header()->set_header_name(hash.http_header_name());
      break;
    case Hash::kHttpCookie:
      out->mutable_cookie()->set_name(hash.http_cookie().name());
      out->mutable_cookie()->set_path(hash.http_cookie().path());
      if (hash.http_cookie().has_ttl()) *out->mutable_cookie()->mutable_ttl() = hash.http_cookie().ttl();
      break;
    case Hash::kUseSourceIp:
      out->mutable_connection_properties()->set_source_ip(hash.use_source_ip());
      break;
    case Hash::kHttpQueryParameterName:
      out->mutable_query_parameter()->set_name(hash.http_query_parameter_name());
      break;
    default:
      action.mutable_hash_policy()->RemoveLast();
      break;
  }
}

}  // namespace translate
