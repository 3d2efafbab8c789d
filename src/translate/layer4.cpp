// SPDX-License-Identifier: Apache-2.0
#include "translate/layer4.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/strings.h"
#include "envoy/config/core/v3/address.pb.h"
#include "mesh/labels.h"
#include "translate/policy.h"

namespace translate {
namespace {

template <typename Match>
bool holds_here(const Match& match, const Place& place) {
  if (match.port() != 0 && match.port() != static_cast<uint32_t>(place.port)) return false;
  if (match.gateways_size() > 0)
    return std::ranges::any_of(match.gateways(), [&](const auto& name) { return place.gateways.contains(name); });
  if (!mesh::has_all(place.view.labels(), match.source_labels())) return false;
  return match.source_namespace().empty() || match.source_namespace() == place.view.proxy().ns;
}

TcpTarget target_of(const auto& routes, const config::VirtualService& virtual_service, const Place& place) {
  TcpTarget out;
  for (const auto& share : routes) {
    if (routes.size() > 1 && share.weight() == 0) continue;
    out.clusters.emplace_back(destination_cluster(share.destination(), place), share.weight());
    const mesh::Service* service = place.view.service(share.destination().host());
    if (!service || out.idle_timeout) continue;
    auto rule = place.view.destination_rule(*service);
    auto policy = policy_of(rule.get(), share.destination().subset(), place.port);
    if (policy.connection_pool().tcp().has_idle_timeout())
      out.idle_timeout = policy.connection_pool().tcp().idle_timeout();
  }
  // It is the listener's, not a cluster's: of several destinations the first one's rule says it, whatever its subset.
  if (const mesh::Service* first = routes.empty() ? nullptr : place.view.service(routes[0].destination().host())) {
    auto rule = place.view.destination_rule(*first);
    if (const auto* tunnel = tunnel_of(rule.get(), routes.size() == 1 ? routes[0].destination().subset() : ""))
      out.tunnel = *tunnel;
  }
  const objects::Ref& ref = virtual_service.meta.ref;
  out.stat_prefix = out.clusters.size() == 1 ? out.clusters.front().first : ref.name + "." + ref.ns;
  return out;
}

void add_prefix_range(listeners_v3::FilterChainMatch& match, const std::string& subnet) {
  auto* range = match.add_prefix_ranges();
  size_t slash = subnet.find('/');
  range->set_address_prefix(subnet.substr(0, slash));
  uint32_t whole = subnet.find(':') == std::string::npos ? 32 : 128;
  uint32_t length =
      slash == std::string::npos ? whole : base::parse_number<uint32_t>(subnet.substr(slash + 1)).value_or(whole);
  range->mutable_prefix_len()->set_value(length);
}

}  // namespace

std::vector<Layer4Route> tls_routes(const config::VirtualService& virtual_service, const Place& place) {
  std::vector<Layer4Route> out;
  for (const auto& tls : virtual_service.spec.tls())
    for (const auto& match : tls.match()) {
      if (!holds_here(match, place)) continue;
      Layer4Route route;
      for (const std::string& name : match.sni_hosts())
        if (is_server_name(name)) route.sni_hosts.push_back(base::to_lower(name));
      if (route.sni_hosts.empty() && !match.sni_hosts().empty()) continue;
      for (const std::string& block : match.destination_subnets()) route.subnets.push_back(canonical_block(block));
      route.target = target_of(tls.route(), virtual_service, place);
      route.cause = virtual_service.meta.ref;
      out.push_back(std::move(route));
    }
  return out;
}

std::vector<Layer4Route> tcp_routes(const config::VirtualService& virtual_service, const Place& place) {
  std::vector<Layer4Route> out;
  for (const auto& tcp : virtual_service.spec.tcp()) {
    Layer4Route route;
    route.target = target_of(tcp.route(), virtual_service, place);
    route.cause = virtual_service.meta.ref;
    if (tcp.match_size() == 0) {
      out.push_back(std::move(route));
      return out;
    }
    for (const auto& match : tcp.match()) {
      if (!holds_here(match, place)) continue;
      Layer4Route narrowed = route;
      for (const std::string& block : match.destination_subnets()) narrowed.subnets.push_back(canonical_block(block));
      out.push_back(std::move(narrowed));
      if (match.destination_subnets().empty()) return out;
    }
  }
  return out;
}

bool is_server_name(std::string_view name) { return !name.starts_with('*') || name == "*" || name.starts_with("*."); }

std::string canonical_block(const std::string& text) {
  const size_t slash = text.find('/');
  unsigned char bytes[16] = {};
  char out[INET6_ADDRSTRLEN];
  const std::string ip = text.substr(0, slash);
  const int family = ip.find(':') == std::string::npos ? AF_INET : AF_INET6;
  const uint32_t whole = family == AF_INET ? 32 : 128;
  uint32_t length =
      slash == std::string::npos ? whole : base::parse_number<uint32_t>(text.substr(slash + 1)).value_or(whole);
  if (inet_pton(family, ip.c_str(), bytes) != 1 || length > whole) return text;
  for (uint32_t bit = length; bit < whole; ++bit) bytes[bit / 8] &= static_cast<unsigned char>(~(0x80 >> (bit % 8)));
  if (!inet_ntop(family, bytes, out, sizeof out)) return text;
  return std::string(out) + "/" + std::to_string(length);
}

FilterChain chain_of(const Layer4Route& route, const mesh::View& view) {
  FilterChain chain;
  if (!route.sni_hosts.empty() || !route.subnets.empty()) {
    auto& match = *chain.mutable_filter_chain_match();
    if (std::ranges::find(route.sni_hosts, "*") == route.sni_hosts.end())
      for (const std::string& host : route.sni_hosts) match.add_server_names(base::to_lower(host));
    for (const std::string& subnet : route.subnets) add_prefix_range(match, subnet);
  }
  add_tcp(chain, view, route.target);
  set_provenance(chain.mutable_metadata(), route.cause);
  set_connect_timeout(chain);
  return chain;
}

}  // namespace translate
