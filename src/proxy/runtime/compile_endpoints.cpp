// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "envoy/extensions/network/dns_resolver/cares/v3/cares_dns_resolver.pb.h"
#include "proxy/runtime/compile_upstream.h"
#include "proxy/runtime/unread.h"

namespace proxy {

using envoy::config::endpoint::v3::ClusterLoadAssignment;
using envoy::config::endpoint::v3::LbEndpoint;
namespace v3 = envoy::config::cluster::v3;

std::vector<std::pair<std::string, std::string>> labels_of(const google::protobuf::Struct& from) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [key, value] : from.fields()) out.emplace_back(key, value.string_value());
  std::sort(out.begin(), out.end());
  return out;
}

namespace {

Health health_of(core::HealthStatus from) {
  switch (from) {
    case core::UNHEALTHY:
    case core::TIMEOUT:
      return Health::Unhealthy;
    case core::DRAINING:
      return Health::Draining;
    case core::DEGRADED:
      return Health::Degraded;
    default:
      return Health::Healthy;
  }
}

// All but the address, and the details that do not depend on it.
base::Result<Endpoint> endpoint_of(const LbEndpoint& from, uint32_t locality, uint32_t priority,
                                   EndpointDetails& details) {
  if (from.has_endpoint_name() && !from.endpoint_name().empty()) return not_acting("endpoint_name");
  Endpoint out;
  details.hostname = from.endpoint().hostname();
  out.weight = from.has_load_balancing_weight() ? std::max(1u, from.load_balancing_weight().value()) : 1;
  out.priority = static_cast<uint8_t>(std::min(priority, 127u));
  out.health = health_of(from.health_status());
  out.locality = locality;
  const auto& metadata = from.metadata().filter_metadata();
  if (auto it = metadata.find("envoy.transport_socket_match"); it != metadata.end())
    details.labels = labels_of(it->second);
  if (auto it = metadata.find("istio"); it != metadata.end()) details.workload = string_field(it->second, "workload");
  if (auto it = metadata.find("envoy.lb"); it != metadata.end()) {
    details.hash_key = string_field(it->second, "hash_key");
    details.subset_labels = subset_labels(json_of(it->second));
  }
  const auto& check = from.endpoint().health_check_config();
  details.check_hostname = check.hostname();
  out.unchecked = check.disable_active_health_check();
  if (check.has_address()) details.check_address = TRY(compile(check.address()));
  return out;
}

// Calls add(endpoint, its details, the message) for each endpoint.
template <typename Add>
base::Result<void> each_endpoint(const ClusterLoadAssignment& from, EndpointSet& set, Add add) {
  if (from.policy().drop_overloads_size()) return not_acting("policy.drop_overloads");
  if (from.policy().has_endpoint_stale_after()) return not_acting("policy.endpoint_stale_after");
  if (from.named_endpoints_size()) return not_acting("named_endpoints");
  if (from.policy().has_overprovisioning_factor())
    set.overprovisioning = from.policy().overprovisioning_factor().value();
  set.weighted_priority_health = from.policy().weighted_priority_health();
  for (const auto& group : from.endpoints()) {
    if (group.has_leds_cluster_locality_config()) return not_acting("leds_cluster_locality_config");
    set.localities.push_back({group.locality().region(), group.locality().zone(), group.locality().sub_zone(),
                              group.load_balancing_weight().value(), group.priority()});
    const auto& endpoints =
        group.has_load_balancer_endpoints() ? group.load_balancer_endpoints().lb_endpoints() : group.lb_endpoints();
    for (const auto& endpoint : endpoints) {
      EndpointDetails details;
      const auto locality = static_cast<uint32_t>(set.localities.size() - 1);
      Endpoint compiled = TRY(endpoint_of(endpoint, locality, group.priority(), details));
      TRY(add(std::move(compiled), std::move(details), endpoint));
    }
  }
  return {};
}

std::vector<net::Address> servers_of(const google::protobuf::RepeatedPtrField<core::Address>& from) {
  std::vector<net::Address> out;
  for (const auto& address : from)
    if (auto parsed = compile(address)) out.push_back(*parsed);
  return out;
}

}  // namespace

base::Result<std::shared_ptr<const EndpointSet>> Compiler::endpoints(const ClusterLoadAssignment& from) const {
  TRY(check_unread(from, slots));
  auto out = std::make_shared<EndpointSet>();
  size_t count = 0;
  for (const auto& group : from.endpoints()) count += static_cast<size_t>(group.lb_endpoints_size());
  out->endpoints.reserve(count);
  auto add = [&](Endpoint endpoint, EndpointDetails details, const LbEndpoint& message) -> base::Result<void> {
    endpoint.address = TRY(compile(message.endpoint().address()));
    for (const auto& more : message.endpoint().additional_addresses())
      details.additional.push_back(TRY(compile(more.address())));
    if (const uint32_t port = message.endpoint().health_check_config().port_value();
        port && !details.check_address.valid())
      details.check_address = endpoint.address.with_port(static_cast<uint16_t>(port));
    endpoint.set_details(std::move(details), out->endpoints.empty() ? nullptr : &out->endpoints.back());
    out->endpoints.push_back(std::move(endpoint));
    return {};
  };
  TRY(each_endpoint(from, *out, add));
  return out;
}

base::Result<void> compile_dns(const v3::Cluster& from, Cluster& out) {
  if (from.has_dns_refresh_rate()) out.dns_refresh = milliseconds_of(from.dns_refresh_rate());
  if (out.dns_refresh.count() <= 1)
    return base::fail(base::ErrorKind::Invalid, "dns_refresh_rate must be greater than 1ms");
  out.dns_jitter = milliseconds_of(from.dns_jitter());
  out.dns_failure_base = out.dns_failure_max = out.dns_refresh;
  if (from.has_dns_failure_refresh_rate()) {
    out.dns_failure_base = milliseconds_of(from.dns_failure_refresh_rate().base_interval());
    out.dns_failure_max = from.dns_failure_refresh_rate().has_max_interval()
                              ? milliseconds_of(from.dns_failure_refresh_rate().max_interval())
                              : 10 * out.dns_failure_base;
  }
  out.dns_ttl = from.respect_dns_ttl();
  out.dns_tcp = from.use_tcp_for_dns_lookups();
  switch (from.dns_lookup_family()) {
    case v3::Cluster::V4_ONLY:
      out.dns_family = Cluster::Family::V4;
      break;
    case v3::Cluster::V6_ONLY:
      out.dns_family = Cluster::Family::V6;
      break;
    case v3::Cluster::V4_PREFERRED:
      out.dns_family = Cluster::Family::V4Preferred;
      break;
    case v3::Cluster::ALL:
      out.dns_family = Cluster::Family::All;
      break;
    default:
      out.dns_family = Cluster::Family::Auto;
      break;
  }
  out.dns_servers = servers_of(from.dns_resolvers());
  if (from.has_dns_resolution_config()) {
    out.dns_servers = servers_of(from.dns_resolution_config().resolvers());
    out.dns_tcp |= from.dns_resolution_config().dns_resolver_options().use_tcp_for_dns_lookups();
  }
  if (from.has_typed_dns_resolver_config()) {
    const auto& any = from.typed_dns_resolver_config().typed_config();
    const std::string type = type_of(any);
    if (type == "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig") {
      auto cares = TRY(unpack<envoy::extensions::network::dns_resolver::cares::v3::CaresDnsResolverConfig>(any));
      out.dns_servers = servers_of(cares.resolvers());
      out.dns_servers_are_fallback = cares.use_resolvers_as_fallback();
      out.dns_tcp |= cares.dns_resolver_options().use_tcp_for_dns_lookups();
    } else if (type != "envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig") {
      return not_acting("typed_dns_resolver_config " + from.typed_dns_resolver_config().name() + " (" + type + ")");
    }
  }
  auto set = std::make_shared<EndpointSet>();
  auto add = [&](Endpoint endpoint, EndpointDetails details, const LbEndpoint& message) -> base::Result<void> {
    const auto& socket = message.endpoint().address().socket_address();
    if (socket.address().empty()) return base::fail(base::ErrorKind::Invalid, "an endpoint without a name to resolve");
    if (details.hostname.empty()) details.hostname = socket.address();
    if (const uint32_t port = message.endpoint().health_check_config().port_value())
      details.check_port = static_cast<uint16_t>(port);
    endpoint.set_details(std::move(details));
    out.dns_names.push_back({socket.address(), static_cast<uint16_t>(socket.port_value()), std::move(endpoint)});
    return {};
  };
  TRY(each_endpoint(from.load_assignment(), *set, add));
  if (from.type() == v3::Cluster::LOGICAL_DNS && out.dns_names.size() != 1)
    return base::fail(base::ErrorKind::Invalid,
                      "LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint");
  out.dns_set = std::move(set);
  return {};
}

}  // namespace proxy
