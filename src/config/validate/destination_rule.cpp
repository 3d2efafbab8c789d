// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "base/strings.h"
#include "config/validate/report.h"

namespace config {
namespace {

bool is_prime_to(uint64_t number, uint64_t most) {
  if (number < 2 || number > most) return false;
  for (uint64_t divisor = 2; divisor * divisor <= number; ++divisor)
    if (number % divisor == 0) return false;
  return true;
}

namespace api = networking;

void check_not_negative(Report& report, const Path& path, int64_t value, std::string_view what) {
  if (value < 0) report.error("SN0150", path, std::string(what) + " must be non-negative");
}

void check_tcp_pool(Report& report, const Path& path, const api::ConnectionPoolSettings_TCPSettings& tcp) {
  check_not_negative(report, path / "maxConnections", tcp.max_connections(), "max connections");
  if (tcp.has_connect_timeout()) check_duration(report, path / "connectTimeout", tcp.connect_timeout());
  if (tcp.has_max_connection_duration())
    check_duration(report, path / "maxConnectionDuration", tcp.max_connection_duration());
  if (tcp.has_idle_timeout() && (tcp.idle_timeout().seconds() != 0 || tcp.idle_timeout().nanos() != 0))
    check_duration(report, path / "idleTimeout", tcp.idle_timeout());
}

void check_http_pool(Report& report, const Path& path, const api::ConnectionPoolSettings_HTTPSettings& http) {
  check_not_negative(report, path / "http1MaxPendingRequests", http.http1_max_pending_requests(),
                     "max pending requests");
  check_not_negative(report, path / "http2MaxRequests", http.http2_max_requests(), "max requests");
  check_not_negative(report, path / "maxRequestsPerConnection", http.max_requests_per_connection(),
                     "max requests per connection");
  check_not_negative(report, path / "maxRetries", http.max_retries(), "max retries");
  check_not_negative(report, path / "maxConcurrentStreams", http.max_concurrent_streams(), "max concurrent streams");
  if (http.has_idle_timeout()) check_duration(report, path / "idleTimeout", http.idle_timeout());
  if (http.use_client_protocol() && http.h2_upgrade_policy() == api::ConnectionPoolSettings_HTTPSettings::UPGRADE)
    report.error("SN0150", path, "use client protocol must not be true when H2UpgradePolicy is UPGRADE");
}

void check_connection_pool(Report& report, const Path& path, const api::ConnectionPoolSettings& pool) {
  if (!pool.has_tcp() && !pool.has_http()) report.error("SN0150", path, "connection pool must have at least one field");
  if (pool.has_tcp()) check_tcp_pool(report, path / "tcp", pool.tcp());
  if (pool.has_http()) check_http_pool(report, path / "http", pool.http());
}

void check_outlier_detection(Report& report, const Path& path, const api::OutlierDetection& outlier) {
  if (outlier.has_interval()) check_duration(report, path / "interval", outlier.interval());
  if (outlier.has_base_ejection_time()) check_duration(report, path / "baseEjectionTime", outlier.base_ejection_time());
  check_percent(report, path / "maxEjectionPercent", outlier.max_ejection_percent());
  check_percent(report, path / "minHealthPercent", outlier.min_health_percent());
  if (outlier.has_consecutive_local_origin_failures() && !outlier.split_external_local_origin_errors())
    report.error("SN0151", path,
                 "outlier detection consecutive local origin failures is specified, but split external local origin "
                 "errors is set to false");
}

void check_locality(Report& report, const Path& path, const api::LocalityLoadBalancerSetting& locality) {
  int ways = (locality.distribute_size() > 0) + (locality.failover_size() > 0);
  if (ways > 1) report.error("SN0152", path, "can not simultaneously specify 'distribute' and 'failover'");
  for (int i = 0; i < locality.distribute_size(); ++i) {
    uint64_t total = 0;
    for (const auto& [to, weight] : locality.distribute(i).to()) {
      if (weight == 0)
        report.error("SN0152", (path / "distribute")[i], "locality weight must not be in range [1, 100]");
      total += weight;
    }
    if (total != 100)
      report.error("SN0152", (path / "distribute")[i], "total locality weight " + std::to_string(total) + " != 100");
  }
  for (int i = 0; i < locality.failover_size(); ++i)
    if (locality.failover(i).from() == locality.failover(i).to())
      report.error("SN0152", (path / "failover")[i], "locality lb failover settings must specify different regions");
  if (locality.failover_priority_size() > 0) report.not_acting(path / "failoverPriority", "failoverPriority");
}

void check_load_balancer(Report& report, const Path& path, const api::LoadBalancerSettings& balancer) {
  if (balancer.has_consistent_hash()) {
    const auto& hash = balancer.consistent_hash();
    if (hash.hash_key_case() == api::LoadBalancerSettings_ConsistentHashLB::HASH_KEY_NOT_SET)
      report.error("SN0153", path / "consistentHash", "no hash key is specified for the consistent hash",
                   "httpHeaderName, httpCookie, useSourceIp or httpQueryParameterName");
    if (hash.has_http_cookie() && hash.http_cookie().name().empty())
      report.error("SN0153", path / "consistentHash" / "httpCookie", "name required for HttpCookie");
    if (hash.has_http_header_name())
      check_header_name(report, path / "consistentHash" / "httpHeaderName", hash.http_header_name());
    if (hash.has_http_query_parameter_name() && hash.http_query_parameter_name().empty())
      report.error("SN0153", path / "consistentHash" / "httpQueryParameterName", "it must not be empty");
    for (const std::string* text : {&hash.http_cookie().name(), &hash.http_cookie().path()})
      if (text->find_first_of(std::string_view("=;,\r\n\0", 6)) != text->npos)
        report.error("SN0153", path / "consistentHash" / "httpCookie", in_quotes(*text) + " fits into no cookie");
  }
  if (balancer.has_locality_lb_setting())
    check_locality(report, path / "localityLbSetting", balancer.locality_lb_setting());
  const auto& hash = balancer.consistent_hash();
  constexpr uint64_t kMostRing = 8'388'608, kMostTable = 5'000'011;  // Envoy's
  if (hash.minimum_ring_size() > kMostRing || hash.ring_hash().minimum_ring_size() > kMostRing)
    report.error("SN0153", path / "consistentHash" / "minimumRingSize", "above " + std::to_string(kMostRing));
  if (hash.has_maglev() && hash.maglev().table_size() != 0 && !is_prime_to(hash.maglev().table_size(), kMostTable))
    report.error("SN0153", path / "consistentHash" / "maglev" / "tableSize",
                 std::to_string(hash.maglev().table_size()) + " is not a prime up to " + std::to_string(kMostTable));
  if (balancer.warmup().minimum_percent().value() > 100)
    report.error("SN0153", path / "warmup" / "minimumPercent", "above 100");
  if (balancer.warmup().has_aggression() && !(balancer.warmup().aggression().value() > 0))
    report.error("SN0153", path / "warmup" / "aggression", "must be greater than 0");
  if (balancer.has_warmup() && !balancer.warmup().has_duration())
    report.error("SN0153", path / "warmup", "duration is required");
  if (balancer.warmup().has_duration())
    check_duration(report, path / "warmup" / "duration", balancer.warmup().duration());
  if (balancer.has_warmup_duration_secs())
    check_duration(report, path / "warmupDurationSecs", balancer.warmup_duration_secs());
}

void check_tls(Report& report, const Path& path, const api::ClientTLSSettings& tls) {
  using Tls = api::ClientTLSSettings;
  if (tls.sni().size() > 255) report.error("SN0154", path / "sni", "longer than 255 bytes");
  bool files = !tls.client_certificate().empty() || !tls.private_key().empty();
  if (tls.mode() == Tls::ISTIO_MUTUAL && (files || !tls.ca_certificates().empty() || !tls.credential_name().empty()))
    report.error("SN0154", path, "tls mode istio_mutual uses the mesh's own certificates, so none may be named");
  if (tls.mode() == Tls::MUTUAL && tls.credential_name().empty()) {
    if (tls.client_certificate().empty())
      report.error("SN0154", path / "clientCertificate", "client certificate required for mutual tls");
    if (tls.private_key().empty()) report.error("SN0154", path / "privateKey", "private key required for mutual tls");
  }
  if (!tls.credential_name().empty()) {
    if (files || !tls.ca_certificates().empty())
      report.error("SN0154", path, "cannot specify client certificates or CA certificate if credentialName is set");
  }
}

void check_blocks(Report& report, const Path& path, const auto& policy) {
  if (policy.has_load_balancer()) check_load_balancer(report, path / "loadBalancer", policy.load_balancer());
  if (policy.has_connection_pool()) check_connection_pool(report, path / "connectionPool", policy.connection_pool());
  if (policy.has_outlier_detection())
    check_outlier_detection(report, path / "outlierDetection", policy.outlier_detection());
  if (policy.has_tls()) check_tls(report, path / "tls", policy.tls());
}

void check_tunnel(Report& report, const Path& path, const api::TrafficPolicy_TunnelSettings& tunnel) {
  if (!tunnel.protocol().empty() && tunnel.protocol() != "CONNECT" && tunnel.protocol() != "POST")
    report.error("SN0157", path / "protocol", "tunnel protocol must be \"CONNECT\" or \"POST\"");
  check_domain_or_address(report, path / "targetHost", tunnel.target_host());
  check_port(report, path / "targetPort", tunnel.target_port());
}

void check_policy(Report& report, const Path& path, const api::TrafficPolicy& policy) {
  if (policy.ByteSizeLong() == 0) report.error("SN0155", path, "traffic policy must have at least one field");
  check_blocks(report, path, policy);
  std::set<uint32_t> seen;
  for (int i = 0; i < policy.port_level_settings_size(); ++i) {
    Path at = (path / "portLevelSettings")[i];
    const auto& level = policy.port_level_settings(i);
    if (!level.has_port())
      report.error("SN0155", at / "port", "portLevelSettings must have a port");
    else
      check_port(report, at / "port" / "number", level.port().number());
    if (!seen.insert(level.port().number()).second)
      report.error("SN0155", at / "port" / "number",
                   "port " + std::to_string(level.port().number()) + " has more than one portLevelSettings");
    check_blocks(report, at, level);
  }
  if (policy.has_tunnel()) check_tunnel(report, path / "tunnel", policy.tunnel());
  if (policy.has_tunnel() && policy.has_proxy_protocol())
    report.error("SN0157", path, "tunnel and proxyProtocol must not be set together");
  if (policy.has_proxy_protocol()) report.not_acting(path / "proxyProtocol", "proxyProtocol");
  if (policy.has_retry_budget()) report.not_acting(path / "retryBudget", "retryBudget");
}

void check_subsets(Report& report, const Path& path, const api::DestinationRule& rule) {
  std::set<std::string> names;
  for (int i = 0; i < rule.subsets_size(); ++i) {
    Path at = (path / "subsets")[i];
    const auto& subset = rule.subsets(i);
    if (subset.name().empty())
      report.error("SN0156", at / "name", "subset name must not be empty");
    else if (!is_dns_label(subset.name()))
      report.error("SN0156", at / "name", "subset name is invalid: " + in_quotes(subset.name()),
                   "letters, digits and -, 63 at most");
    if (!names.insert(subset.name()).second)
      report.error("SN0156", at / "name", "duplicate subset name: " + in_quotes(subset.name()));
    check_labels(report, at / "labels", subset.labels());
    if (subset.has_traffic_policy()) check_policy(report, at / "trafficPolicy", subset.traffic_policy());
  }
}

bool names_credentials(const api::TrafficPolicy& policy) {
  return !policy.tls().credential_name().empty() ||
         std::ranges::any_of(policy.port_level_settings(),
                             [](const auto& level) { return !level.tls().credential_name().empty(); });
}

// As in Istio.
void check_credentials(Report& report, const Path& path, const api::DestinationRule& rule) {
  bool named = names_credentials(rule.traffic_policy());
  for (const auto& subset : rule.subsets()) named |= names_credentials(subset.traffic_policy());
  if (named && !rule.has_workload_selector())
    report.warn("SN0158", path,
                "credentialName acts at gateways alone: sidecars take it from a rule with a workloadSelector",
                "name the workloads in workloadSelector, and let their account list secrets in its namespace");
}

}  // namespace

void check(Report& report, const DestinationRule& config) {
  const Path path("spec");
  const api::DestinationRule& rule = config.spec;
  check_domain_or_address(report, path / "host", rule.host());
  if (rule.has_traffic_policy()) check_policy(report, path / "trafficPolicy", rule.traffic_policy());
  check_subsets(report, path, rule);
  check_credentials(report, path, rule);
  check_export_to(report, path / "exportTo", rule.export_to(), config.meta.ref.ns);
  if (rule.has_workload_selector())
    check_labels(report, path / "workloadSelector", rule.workload_selector().match_labels());
}

}  // namespace config
