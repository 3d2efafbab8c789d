// SPDX-License-Identifier: Apache-2.0
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"
#include "translate/cluster.h"
#include "translate/tls.h"
#include "translate/translate.h"

namespace translate {
namespace {

using clusters_v3::Cluster;
using HttpOptions = envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
constexpr const char* kHttpOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

void set_value(google::protobuf::UInt32Value* field, int64_t value) { field->set_value(static_cast<uint32_t>(value)); }

void apply_tcp_pool(Cluster& cluster, const istio_api::ConnectionPoolSettings_TCPSettings& tcp) {
  auto* limits = cluster.mutable_circuit_breakers()->mutable_thresholds(0);
  if (tcp.max_connections() > 0) set_value(limits->mutable_max_connections(), tcp.max_connections());
  if (tcp.has_connect_timeout()) *cluster.mutable_connect_timeout() = tcp.connect_timeout();
  if (!tcp.has_tcp_keepalive()) return;
  auto* keepalive = cluster.mutable_upstream_connection_options()->mutable_tcp_keepalive();
  if (tcp.tcp_keepalive().probes() > 0) set_value(keepalive->mutable_keepalive_probes(), tcp.tcp_keepalive().probes());
  if (tcp.tcp_keepalive().has_time())
    set_value(keepalive->mutable_keepalive_time(), tcp.tcp_keepalive().time().seconds());
  if (tcp.tcp_keepalive().has_interval())
    set_value(keepalive->mutable_keepalive_interval(), tcp.tcp_keepalive().interval().seconds());
}

void apply_consistent_hash(Cluster& cluster, const istio_api::LoadBalancerSettings_ConsistentHashLB& hash) {
  if (hash.has_maglev()) {
    cluster.set_lb_policy(Cluster::MAGLEV);
    if (hash.maglev().table_size() > 0)
      cluster.mutable_maglev_lb_config()->mutable_table_size()->set_value(hash.maglev().table_size());
    return;
  }
  uint64_t minimum = hash.has_ring_hash() ? hash.ring_hash().minimum_ring_size() : hash.minimum_ring_size();
  cluster.set_lb_policy(Cluster::RING_HASH);
  cluster.mutable_ring_hash_lb_config()->mutable_minimum_ring_size()->set_value(minimum == 0 ? 1024 : minimum);
}

void apply_warmup(Cluster& cluster, const istio_api::LoadBalancerSettings& balancer) {
  Cluster::SlowStartConfig slow;
  if (balancer.has_warmup()) {
    *slow.mutable_slow_start_window() = balancer.warmup().duration();
    if (balancer.warmup().has_minimum_percent())
      slow.mutable_min_weight_percent()->set_value(balancer.warmup().minimum_percent().value());
    if (balancer.warmup().has_aggression()) {
      slow.mutable_aggression()->set_default_value(balancer.warmup().aggression().value());
      slow.mutable_aggression()->set_runtime_key("");
    }
  } else if (balancer.has_warmup_duration_secs()) {
    *slow.mutable_slow_start_window() = balancer.warmup_duration_secs();
  } else {
    return;
  }
  if (cluster.lb_policy() == Cluster::ROUND_ROBIN)
    *cluster.mutable_round_robin_lb_config()->mutable_slow_start_config() = slow;
  else if (cluster.lb_policy() == Cluster::LEAST_REQUEST)
    *cluster.mutable_least_request_lb_config()->mutable_slow_start_config() = slow;
}

MutualPeer peer_of(const mesh::View& view, const Security& security) {
  MutualPeer peer;
  peer.sni = cluster_sni(security.port.number, security.subset, security.service.hostname);
  peer.identities = view.service_accounts(security.service);
  bool http2 = upgrades_to_http2(security.policy, security.port.protocol);
  peer.alpn = mutual_alpn(http2 ? mesh::Protocol::Http2 : security.port.protocol, view.proxy().dialect);
  return peer;
}

// The sidecar's choice by endpoint: mTLS to those that have a sidecar.
void match_by_tls_mode(Cluster& cluster, const MutualPeer& peer) {
  auto* mutual = cluster.add_transport_socket_matches();
  mutual->set_name("tlsMode-istio");
  set_text(*mutual->mutable_match(), "tlsMode", "istio");
  set_mutual_tls(mutual->mutable_transport_socket(), peer);
  auto* plain = cluster.add_transport_socket_matches();
  plain->set_name("tlsMode-disabled");
  plain->mutable_match();
  set_raw(plain->mutable_transport_socket());
}

// Without endpoints to match, mTLS goes to a headless Service only where all
// of its pods take it.
bool all_take_mtls(const mesh::View& view, const Security& security) {
  const auto& endpoints = view.endpoints(security.service, security.port.number);
  return !endpoints.empty() && std::ranges::all_of(endpoints, [&](const mesh::Endpoint& endpoint) {
    return endpoint.tls_istio && view.mtls_mode_of(endpoint, security.service) != mesh::MtlsMode::Disable;
  });
}

}  // namespace

bool upgrades_to_http2(const istio_api::TrafficPolicy& policy, mesh::Protocol protocol) {
  using Http = istio_api::ConnectionPoolSettings_HTTPSettings;
  return protocol == mesh::Protocol::Http && policy.connection_pool().http().h2_upgrade_policy() == Http::UPGRADE;
}

void apply_connection_pool(Cluster& cluster, const istio_api::ConnectionPoolSettings& pool) {
  auto* limits = cluster.mutable_circuit_breakers()->mutable_thresholds(0);
  if (pool.has_tcp()) apply_tcp_pool(cluster, pool.tcp());
  const auto& http = pool.http();
  if (http.http1_max_pending_requests() > 0)
    set_value(limits->mutable_max_pending_requests(), http.http1_max_pending_requests());
  if (http.http2_max_requests() > 0) set_value(limits->mutable_max_requests(), http.http2_max_requests());
  if (http.max_retries() > 0) set_value(limits->mutable_max_retries(), http.max_retries());
}

void apply_outlier_detection(Cluster& cluster, const istio_api::OutlierDetection& from) {
  auto* out = cluster.mutable_outlier_detection();
  set_value(out->mutable_enforcing_success_rate(), 0);
  if (from.has_consecutive_5xx_errors()) {
    set_value(out->mutable_consecutive_5xx(), from.consecutive_5xx_errors().value());
    set_value(out->mutable_enforcing_consecutive_5xx(), from.consecutive_5xx_errors().value() > 0 ? 100 : 0);
  }
  if (from.has_consecutive_gateway_errors()) {
    set_value(out->mutable_consecutive_gateway_failure(), from.consecutive_gateway_errors().value());
    set_value(out->mutable_enforcing_consecutive_gateway_failure(),
              from.consecutive_gateway_errors().value() > 0 ? 100 : 0);
  }
  if (from.split_external_local_origin_errors()) {
    out->set_split_external_local_origin_errors(true);
    if (from.has_consecutive_local_origin_failures()) {
      set_value(out->mutable_consecutive_local_origin_failure(), from.consecutive_local_origin_failures().value());
      set_value(out->mutable_enforcing_consecutive_local_origin_failure(), 100);
    }
    set_value(out->mutable_enforcing_local_origin_success_rate(), 0);
  }
  if (from.has_interval()) *out->mutable_interval() = from.interval();
  if (from.has_base_ejection_time()) *out->mutable_base_ejection_time() = from.base_ejection_time();
  if (from.max_ejection_percent() > 0) set_value(out->mutable_max_ejection_percent(), from.max_ejection_percent());
  cluster.mutable_common_lb_config()->mutable_healthy_panic_threshold()->set_value(from.min_health_percent());
}

void apply_load_balancer(Cluster& cluster, const istio_api::LoadBalancerSettings& balancer, bool outlier_detection) {
  using Settings = istio_api::LoadBalancerSettings;
  if (balancer.has_consistent_hash()) {
    apply_consistent_hash(cluster, balancer.consistent_hash());
    return;
  }
  switch (balancer.simple()) {
    case Settings::RANDOM:
      cluster.set_lb_policy(Cluster::RANDOM);
      break;
    case Settings::ROUND_ROBIN:
      cluster.set_lb_policy(Cluster::ROUND_ROBIN);
      break;
    case Settings::PASSTHROUGH:
      cluster.set_lb_policy(Cluster::CLUSTER_PROVIDED);
      cluster.set_type(Cluster::ORIGINAL_DST);
      cluster.clear_eds_cluster_config();
      cluster.clear_load_assignment();
      break;
    default:
      cluster.set_lb_policy(Cluster::LEAST_REQUEST);
      break;
  }
  apply_warmup(cluster, balancer);
  const auto& locality = balancer.locality_lb_setting();
  bool on = !locality.has_enabled() || locality.enabled().value();
  bool spread = locality.distribute_size() > 0;
  bool fail_over = outlier_detection && (locality.failover_size() > 0 || locality.failover_priority_size() > 0);
  if (on && (spread || fail_over)) cluster.mutable_common_lb_config()->mutable_locality_weighted_lb_config();
}

void apply_http_options(Cluster& cluster, mesh::Protocol protocol, const istio_api::TrafficPolicy& policy,
                        const mesh::Proxy& proxy) {
  const auto& http = policy.connection_pool().http();
  const auto& tcp = policy.connection_pool().tcp();
  HttpOptions options;
  bool needed = false;
  bool http2 = mesh::is_http2(protocol) || upgrades_to_http2(policy, protocol);
  bool as_downstream =
      http.use_client_protocol() || (protocol == mesh::Protocol::Auto && proxy.type == mesh::ProxyType::Sidecar);
  if (http2) {
    auto* settings = options.mutable_explicit_http_config()->mutable_http2_protocol_options();
    if (http.max_concurrent_streams() > 0)
      set_value(settings->mutable_max_concurrent_streams(), http.max_concurrent_streams());
    needed = true;
  } else if (as_downstream) {
    options.mutable_use_downstream_protocol_config()->mutable_http_protocol_options();
    options.mutable_use_downstream_protocol_config()->mutable_http2_protocol_options();
    needed = true;
  } else {
    options.mutable_explicit_http_config()->mutable_http_protocol_options();
  }
  auto common = [&] {
    needed = true;
    return options.mutable_common_http_protocol_options();
  };
  if (http.has_idle_timeout()) *common()->mutable_idle_timeout() = http.idle_timeout();
  if (http.max_requests_per_connection() > 0)
    set_value(common()->mutable_max_requests_per_connection(), http.max_requests_per_connection());
  if (tcp.has_max_connection_duration()) *common()->mutable_max_connection_duration() = tcp.max_connection_duration();
  using Tls = istio_api::ClientTLSSettings;
  if (policy.has_tls() && (policy.tls().mode() == Tls::SIMPLE || policy.tls().mode() == Tls::MUTUAL)) {
    bool skip = policy.tls().has_insecure_skip_verify() && policy.tls().insecure_skip_verify().value();
    if (policy.tls().sni().empty()) {
      auto* upstream = options.mutable_upstream_http_protocol_options();
      upstream->set_auto_sni(true);
      upstream->set_auto_san_validation(policy.tls().subject_alt_names().empty() && !skip);
      needed = true;
    }
  }
  if (needed) pack(options, &(*cluster.mutable_typed_extension_protocol_options())[kHttpOptions]);
}

void apply_security(Cluster& cluster, const mesh::View& view, const Security& security) {
  using Tls = istio_api::ClientTLSSettings;
  bool passthrough = cluster.type() == Cluster::ORIGINAL_DST;
  if (!security.policy.has_tls()) {
    if (!view.mtls_possible(security.service)) return;
    if (!passthrough)
      match_by_tls_mode(cluster, peer_of(view, security));
    else if (all_take_mtls(view, security))
      set_mutual_tls(cluster.mutable_transport_socket(), peer_of(view, security));
    return;
  }
  const auto& tls = security.policy.tls();
  switch (tls.mode()) {
    case Tls::ISTIO_MUTUAL: {
      MutualPeer peer = peer_of(view, security);
      if (!tls.sni().empty()) peer.sni = tls.sni();
      if (tls.subject_alt_names_size() > 0)
        peer.identities.assign(tls.subject_alt_names().begin(), tls.subject_alt_names().end());
      set_mutual_tls(cluster.mutable_transport_socket(), peer);
      break;
    }
    case Tls::SIMPLE:
    case Tls::MUTUAL: {
      mesh::Protocol protocol =
          upgrades_to_http2(security.policy, security.port.protocol) ? mesh::Protocol::Http2 : security.port.protocol;
      // As in Istio: a credential that every sidecar was told of would be one that most may not read.
      const bool fetched = view.proxy().type == mesh::ProxyType::Router || security.selected;
      set_client_tls(cluster.mutable_transport_socket(), tls, protocol,
                     fetched ? Credentials::Named : Credentials::Files);
      set_text(istio_metadata(cluster.mutable_metadata()), "alpn_override", "false");
      break;
    }
    default:
      break;
  }
}

}  // namespace translate
