// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"
#include "proxy/runtime/compile.h"

namespace proxy {
namespace {

namespace v3 = envoy::config::cluster::v3;
using envoy::config::endpoint::v3::ClusterLoadAssignment;
using envoy::config::endpoint::v3::LbEndpoint;

std::vector<std::pair<std::string, std::string>> labels_of(const google::protobuf::Struct& from) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [key, value] : from.fields()) out.emplace_back(key, value.string_value());
  std::sort(out.begin(), out.end());
  return out;
}

Health health_of(core::HealthStatus from) {
  switch (from) {
    case core::UNHEALTHY:
    case core::TIMEOUT: return Health::Unhealthy;
    case core::DRAINING: return Health::Draining;
    case core::DEGRADED: return Health::Degraded;
    default: return Health::Healthy;
  }
}

Endpoint endpoint_of(const LbEndpoint& from, uint32_t locality, uint32_t priority) {
  Endpoint out;
  out.hostname = from.endpoint().hostname();
  out.weight = from.has_load_balancing_weight() ? std::max(1u, from.load_balancing_weight().value()) : 1;
  out.priority = static_cast<uint8_t>(std::min(priority, 127u));
  out.health = health_of(from.health_status());
  out.locality = locality;
  const auto& metadata = from.metadata().filter_metadata();
  if (auto it = metadata.find("envoy.transport_socket_match"); it != metadata.end()) out.labels = labels_of(it->second);
  if (auto it = metadata.find("istio"); it != metadata.end()) out.workload = string_field(it->second, "workload");
  return out;
}

// Calls add(endpoint with all but its address, the message) for each endpoint.
template <typename Add>
base::Result<void> each_endpoint(const ClusterLoadAssignment& from, EndpointSet& set, Add add) {
  if (from.policy().has_overprovisioning_factor()) set.overprovisioning = from.policy().overprovisioning_factor().value();
  for (const auto& group : from.endpoints()) {
    uint32_t weight = group.has_load_balancing_weight() ? group.load_balancing_weight().value() : 1;
    set.localities.push_back({group.locality().region(), group.locality().zone(), group.locality().sub_zone(), weight, group.priority()});
    for (const auto& endpoint : group.lb_endpoints())
      TRY(add(endpoint_of(endpoint, static_cast<uint32_t>(set.localities.size() - 1), group.priority()), endpoint));
  }
  return {};
}

void compile_breakers(const v3::Cluster& from, Cluster& out) {
  for (const auto& thresholds : from.circuit_breakers().thresholds()) {
    CircuitBreaker& breaker = out.breaker[thresholds.priority() == core::HIGH ? 1 : 0];
    if (thresholds.has_max_connections()) breaker.connections = thresholds.max_connections().value();
    if (thresholds.has_max_pending_requests()) breaker.pending = thresholds.max_pending_requests().value();
    if (thresholds.has_max_requests()) breaker.requests = thresholds.max_requests().value();
    if (thresholds.has_max_retries()) breaker.retries = thresholds.max_retries().value();
  }
}

void compile_outlier(const v3::Cluster& from, Cluster& out) {
  if (!from.has_outlier_detection()) return;
  const auto& detection = from.outlier_detection();
  OutlierPolicy policy;
  if (detection.has_consecutive_5xx()) policy.consecutive_5xx = detection.consecutive_5xx().value();
  if (detection.has_enforcing_consecutive_5xx() && detection.enforcing_consecutive_5xx().value() == 0) policy.consecutive_5xx = 0;
  if (detection.has_consecutive_gateway_failure() && detection.enforcing_consecutive_gateway_failure().value() > 0)
    policy.consecutive_gateway_failure = detection.consecutive_gateway_failure().value();
  if (detection.has_interval()) policy.interval = milliseconds_of(detection.interval());
  if (detection.has_base_ejection_time()) policy.base_ejection = milliseconds_of(detection.base_ejection_time());
  policy.max_ejection = detection.has_max_ejection_time() ? milliseconds_of(detection.max_ejection_time())
                                                          : std::max(policy.base_ejection, policy.max_ejection);
  if (detection.has_max_ejection_percent()) policy.max_ejection_percent = detection.max_ejection_percent().value();
  out.outlier = policy;
}

base::Result<void> compile_http(const v3::Cluster& from, Cluster& out) {
  if (from.has_http2_protocol_options()) out.http = Cluster::Http::Http2;
  if (from.has_max_requests_per_connection()) out.max_requests_per_connection = from.max_requests_per_connection().value();
  auto it = from.typed_extension_protocol_options().find("envoy.extensions.upstreams.http.v3.HttpProtocolOptions");
  if (it == from.typed_extension_protocol_options().end()) return {};
  auto options = TRY(unpack<envoy::extensions::upstreams::http::v3::HttpProtocolOptions>(it->second));
  if (options.has_explicit_http_config())
    out.http = options.explicit_http_config().has_http2_protocol_options() ? Cluster::Http::Http2 : Cluster::Http::Http1;
  if (options.has_use_downstream_protocol_config()) out.http = Cluster::Http::AsDownstream;
  if (options.has_auto_config()) out.http = Cluster::Http::ByAlpn;
  const auto& common = options.common_http_protocol_options();
  if (common.has_idle_timeout()) out.idle_timeout = milliseconds_of(common.idle_timeout());
  if (common.has_max_requests_per_connection()) out.max_requests_per_connection = common.max_requests_per_connection().value();
  if (options.upstream_http_protocol_options().auto_sni()) out.transport.sni_from_host = true;
  if (options.upstream_http_protocol_options().auto_san_validation()) out.transport.check_host = true;
  return {};
}

base::Result<void> compile_transports(const Compiler& compiler, const v3::Cluster& from, Cluster& out) {
  bool http2 = out.http == Cluster::Http::Http2;
  bool from_host = out.transport.sni_from_host, check_host = out.transport.check_host;
  auto make = [&](const core::TransportSocket& socket) -> base::Result<Transport> {
    Transport transport = TRY(compiler.upstream_transport(socket, http2));
    if (transport.is_tls() && transport.sni.empty()) transport.sni_from_host |= from_host;
    transport.check_host |= check_host;
    return transport;
  };
  out.transport = from.has_transport_socket() ? TRY(make(from.transport_socket())) : Transport{};
  for (const auto& match : from.transport_socket_matches())
    out.transport_choices.push_back({match.name(), labels_of(match.match()), TRY(make(match.transport_socket()))});
  return {};
}

base::Result<void> compile_balance(const v3::Cluster& from, Cluster& out) {
  switch (from.lb_policy()) {
    case v3::Cluster::LEAST_REQUEST: out.balance = Cluster::Balance::LeastRequest; break;
    case v3::Cluster::RANDOM: out.balance = Cluster::Balance::Random; break;
    case v3::Cluster::RING_HASH: out.balance = Cluster::Balance::RingHash; break;
    case v3::Cluster::MAGLEV: out.balance = Cluster::Balance::Maglev; break;
    case v3::Cluster::CLUSTER_PROVIDED: out.balance = Cluster::Balance::Provided; break;
    default: out.balance = Cluster::Balance::RoundRobin; break;
  }
  if (from.least_request_lb_config().has_choice_count()) out.choices = from.least_request_lb_config().choice_count().value();
  if (from.ring_hash_lb_config().has_minimum_ring_size())
    out.ring_minimum = static_cast<uint32_t>(from.ring_hash_lb_config().minimum_ring_size().value());
  if (from.maglev_lb_config().has_table_size()) out.maglev_size = static_cast<uint32_t>(from.maglev_lb_config().table_size().value());
  if (from.common_lb_config().has_healthy_panic_threshold()) out.panic_percent = from.common_lb_config().healthy_panic_threshold().value();
  return {};
}

base::Result<void> compile_hosts(const Compiler& compiler, const v3::Cluster& from, Cluster& out) {
  switch (from.type()) {
    case v3::Cluster::EDS:
      out.type = Cluster::Type::Eds;
      out.endpoints_name = from.eds_cluster_config().service_name().empty() ? from.name() : from.eds_cluster_config().service_name();
      return {};
    case v3::Cluster::ORIGINAL_DST:
      out.type = Cluster::Type::OriginalDst;
      out.use_original_host_header = from.original_dst_lb_config().use_http_header();
      out.original_port = static_cast<uint16_t>(from.original_dst_lb_config().upstream_port_override().value());
      return {};
    case v3::Cluster::STRICT_DNS:
    case v3::Cluster::LOGICAL_DNS: {
      out.type = from.type() == v3::Cluster::STRICT_DNS ? Cluster::Type::StrictDns : Cluster::Type::LogicalDns;
      if (from.has_dns_refresh_rate()) out.dns_refresh = milliseconds_of(from.dns_refresh_rate());
      if (from.dns_lookup_family() == v3::Cluster::V4_ONLY) out.dns_family = Cluster::Family::V4;
      if (from.dns_lookup_family() == v3::Cluster::V6_ONLY) out.dns_family = Cluster::Family::V6;
      EndpointSet set;
      TRY(each_endpoint(from.load_assignment(), set, [&](Endpoint endpoint, const LbEndpoint& message) -> base::Result<void> {
        const auto& socket = message.endpoint().address().socket_address();
        if (endpoint.hostname.empty()) endpoint.hostname = socket.address();
        out.dns_names.push_back({socket.address(), static_cast<uint16_t>(socket.port_value()), std::move(endpoint)});
        return {};
      }));
      return {};
    }
    default:
      out.type = Cluster::Type::Static;
      out.endpoints = TRY(compiler.endpoints(from.load_assignment()));
      return {};
  }
}

}  // namespace

base::Result<std::shared_ptr<const EndpointSet>> Compiler::endpoints(const ClusterLoadAssignment& from) const {
  auto out = std::make_shared<EndpointSet>();
  size_t count = 0;
  for (const auto& group : from.endpoints()) count += static_cast<size_t>(group.lb_endpoints_size());
  out->endpoints.reserve(count);
  TRY(each_endpoint(from, *out, [&](Endpoint endpoint, const LbEndpoint& message) -> base::Result<void> {
    endpoint.address = TRY(compile(message.endpoint().address()));
    endpoint.text = endpoint.address.text();
    out->endpoints.push_back(std::move(endpoint));
    return {};
  }));
  return out;
}

base::Result<std::shared_ptr<const Cluster>> Compiler::cluster(const v3::Cluster& from) const {
  auto out = std::make_shared<Cluster>();
  out->name = from.name();
  if (from.name().empty()) return base::fail(base::ErrorKind::Invalid, "a cluster without a name");
  if (from.has_cluster_type())
    return base::fail(base::ErrorKind::Invalid, "cluster type " + from.cluster_type().name() + " is not known");
  out->slot = slots.cluster(from.name());
  if (from.has_connect_timeout()) out->connect_timeout = milliseconds_of(from.connect_timeout());
  TRY(compile_http(from, *out));
  TRY(compile_transports(*this, from, *out));
  TRY(compile_balance(from, *out));
  TRY(compile_hosts(*this, from, *out));
  compile_breakers(from, *out);
  compile_outlier(from, *out);
  if (from.upstream_bind_config().has_source_address()) {
    const auto& source = from.upstream_bind_config().source_address();
    out->source = TRY(net::Address::parse(source.address(), static_cast<uint16_t>(source.port_value())));
  }
  out->origin = origin_of(from.metadata());
  auto istio = from.metadata().filter_metadata().find("istio");
  if (istio != from.metadata().filter_metadata().end()) {
    auto services = istio->second.fields().find("services");
    if (services != istio->second.fields().end() && services->second.list_value().values_size()) {
      const auto& service = services->second.list_value().values(0).struct_value();
      out->service_host = string_field(service, "host");
      out->service_name = string_field(service, "name");
      out->service_namespace = string_field(service, "namespace");
    }
  }
  return out;
}

}  // namespace proxy
