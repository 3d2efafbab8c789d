// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>

#include "base/strings.h"
#include "proxy/runtime/compile_upstream.h"

namespace proxy {
namespace {

namespace v3 = envoy::config::cluster::v3;

std::unexpected<base::Error> wrong(const std::string& what) { return base::fail(base::ErrorKind::Invalid, what); }

template <typename Number>
void take(const Number& from, bool has, uint32_t& out) {
  if (has) out = static_cast<uint32_t>(from.value());
}

std::optional<std::string> bytes_of_hex(std::string_view text) {
  std::string out;
  if (text.size() % 2) return std::nullopt;
  for (size_t i = 0; i < text.size(); i += 2) {
    unsigned byte = 0;
    auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
    if (error != std::errc() || end != text.data() + i + 2) return std::nullopt;
    out += static_cast<char>(byte);
  }
  return out;
}

base::Result<std::string> bytes_of(const core::HealthCheck::Payload& from) {
  if (from.has_binary()) return from.binary();
  auto bytes = bytes_of_hex(from.text());
  if (!bytes) return wrong("health check payload: \"" + from.text() + "\" is not hexadecimal");
  return *bytes;
}

base::Result<std::vector<std::pair<int, int>>> ranges_of(
    const google::protobuf::RepeatedPtrField<envoy::type::v3::Int64Range>& from) {
  std::vector<std::pair<int, int>> out;
  for (const auto& range : from) {
    if (range.start() < 100 || range.end() > 600 || range.start() >= range.end())
      return wrong("health check: a range of statuses lies within 100 and 600");
    out.emplace_back(static_cast<int>(range.start()), static_cast<int>(range.end()));
  }
  return out;
}

template <typename Headers>
base::Result<void> add_headers(const Headers& from, HealthCheck& out) {
  for (const auto& option : from) {
    if (option.header().value().find('%') != std::string::npos)
      return wrong("health check: request headers with substitutions do not act in this proxy: " +
                   option.header().key());
    out.headers.emplace_back(base::to_lower(option.header().key()), option.header().value());
  }
  return {};
}

base::Result<void> http_check(const core::HealthCheck::HttpHealthCheck& from, HealthCheck& out) {
  out.kind = HealthCheck::Kind::Http;
  if (from.path().empty()) return wrong("http_health_check.path must not be empty");
  if (from.has_send() || from.receive_size())
    return not_acting(from.has_send() ? "http_health_check.send" : "http_health_check.receive");
  out.host = from.host();
  out.path = from.path();
  if (from.method() != core::METHOD_UNSPECIFIED) out.method = core::RequestMethod_Name(from.method());
  if (out.method == "CONNECT") return wrong("http_health_check.method CONNECT is not allowed");
  out.http2 = from.codec_client_type() == envoy::type::v3::HTTP2;
  TRY(add_headers(from.request_headers_to_add(), out));
  for (const std::string& name : from.request_headers_to_remove()) out.removed_headers.push_back(base::to_lower(name));
  if (from.expected_statuses_size()) out.expected = TRY(ranges_of(from.expected_statuses()));
  out.retriable = TRY(ranges_of(from.retriable_statuses()));
  if (from.has_service_name_matcher()) out.service_name = TRY(compile(from.service_name_matcher()));
  return {};
}

base::Result<HealthCheck> check_of(const Compiler& compiler, const core::HealthCheck& from, const Cluster& cluster) {
  HealthCheck out;
  out.timeout = milliseconds_of(from.timeout());
  out.interval = milliseconds_of(from.interval());
  if (out.timeout.count() <= 0 || out.interval.count() <= 0)
    return wrong("health check: timeout and interval must be greater than 0");
  if (!from.has_unhealthy_threshold() || !from.has_healthy_threshold())
    return wrong("health check: both thresholds are needed");
  out.unhealthy_threshold = from.unhealthy_threshold().value();
  out.healthy_threshold = from.healthy_threshold().value();
  out.initial_jitter = milliseconds_of(from.initial_jitter());
  out.interval_jitter = milliseconds_of(from.interval_jitter());
  out.jitter_percent = from.interval_jitter_percent();
  if (from.has_no_traffic_interval()) out.no_traffic = milliseconds_of(from.no_traffic_interval());
  out.no_traffic_healthy =
      from.has_no_traffic_healthy_interval() ? milliseconds_of(from.no_traffic_healthy_interval()) : out.no_traffic;
  out.unhealthy = from.has_unhealthy_interval() ? milliseconds_of(from.unhealthy_interval()) : out.interval;
  out.unhealthy_edge =
      from.has_unhealthy_edge_interval() ? milliseconds_of(from.unhealthy_edge_interval()) : out.unhealthy;
  out.healthy_edge = from.has_healthy_edge_interval() ? milliseconds_of(from.healthy_edge_interval()) : out.interval;
  if (from.has_reuse_connection()) out.reuse_connection = from.reuse_connection().value();
  if (from.has_alt_port()) return not_acting("health_checks.alt_port");
  if (!from.event_log_path().empty() || from.event_logger_size() || from.has_event_service())
    return not_acting("health_checks.event_logger");
  if (from.has_transport_socket_match_criteria())
    out.transport_labels = labels_of(from.transport_socket_match_criteria());
  switch (from.health_checker_case()) {
    case core::HealthCheck::kHttpHealthCheck:
      TRY(http_check(from.http_health_check(), out));
      break;
    case core::HealthCheck::kTcpHealthCheck:
      out.kind = HealthCheck::Kind::Tcp;
      if (from.tcp_health_check().has_proxy_protocol_config())
        return not_acting("tcp_health_check.proxy_protocol_config");
      if (from.tcp_health_check().has_send()) out.send = TRY(bytes_of(from.tcp_health_check().send()));
      for (const auto& payload : from.tcp_health_check().receive()) out.receive.push_back(TRY(bytes_of(payload)));
      break;
    case core::HealthCheck::kGrpcHealthCheck:
      out.kind = HealthCheck::Kind::Grpc;
      out.http2 = true;
      out.service = from.grpc_health_check().service_name();
      out.host = from.grpc_health_check().authority();
      TRY(add_headers(from.grpc_health_check().initial_metadata(), out));
      break;
    case core::HealthCheck::kCustomHealthCheck:
      return not_acting("custom_health_check " + from.custom_health_check().name());
    default:
      return wrong("a health check of no kind");
  }
  // The connection of a check offers what the check speaks.
  const Transport& transport =
      out.transport_labels.empty() ? cluster.transport : cluster.transport_for(out.transport_labels);
  if (transport.is_tls() && out.kind != HealthCheck::Kind::Tcp) {
    TlsSpec spec = compiler.slots.tls_specs()[transport.tls];
    spec.alpn.assign(from.tls_options().alpn_protocols().begin(), from.tls_options().alpn_protocols().end());
    if (spec.alpn.empty()) spec.alpn = {out.http2 ? "h2" : "http/1.1"};
    out.tls = compiler.slots.tls(std::move(spec));
  }
  return out;
}

}  // namespace

base::Result<void> compile_breakers(const v3::Cluster& from, Cluster& out) {
  if (from.circuit_breakers().per_host_thresholds_size()) return not_acting("circuit_breakers.per_host_thresholds");
  bool seen[2] = {};
  for (const auto& thresholds : from.circuit_breakers().thresholds()) {
    const bool high = thresholds.priority() == core::HIGH;
    if (std::exchange(seen[high], true)) continue;  // the first of a priority counts
    CircuitBreaker& breaker = out.breaker[high];
    take(thresholds.max_connections(), thresholds.has_max_connections(), breaker.connections);
    take(thresholds.max_pending_requests(), thresholds.has_max_pending_requests(), breaker.pending);
    take(thresholds.max_requests(), thresholds.has_max_requests(), breaker.requests);
    take(thresholds.max_retries(), thresholds.has_max_retries(), breaker.retries);
    breaker.track_remaining = thresholds.track_remaining();
    if (thresholds.has_retry_budget()) {
      auto& budget = breaker.retry_budget.emplace(CircuitBreaker::RetryBudget{});
      if (thresholds.retry_budget().has_budget_percent())
        budget.percent = thresholds.retry_budget().budget_percent().value();
      take(thresholds.retry_budget().min_retry_concurrency(), thresholds.retry_budget().has_min_retry_concurrency(),
           budget.minimum);
    }
  }
  return {};
}

base::Result<void> compile_outlier(const v3::Cluster& from, Cluster& out) {
  if (!from.has_outlier_detection()) return {};
  const auto& detection = from.outlier_detection();
  if (detection.monitors_size()) return not_acting("outlier_detection.monitors");
  OutlierPolicy policy;
  take(detection.consecutive_5xx(), detection.has_consecutive_5xx(), policy.consecutive_5xx);
  take(detection.consecutive_gateway_failure(), detection.has_consecutive_gateway_failure(),
       policy.consecutive_gateway_failure);
  take(detection.consecutive_local_origin_failure(), detection.has_consecutive_local_origin_failure(),
       policy.consecutive_local_failure);
  take(detection.enforcing_consecutive_5xx(), detection.has_enforcing_consecutive_5xx(), policy.enforce_5xx);
  take(detection.enforcing_consecutive_gateway_failure(), detection.has_enforcing_consecutive_gateway_failure(),
       policy.enforce_gateway_failure);
  take(detection.enforcing_consecutive_local_origin_failure(),
       detection.has_enforcing_consecutive_local_origin_failure(), policy.enforce_local_failure);
  take(detection.enforcing_success_rate(), detection.has_enforcing_success_rate(), policy.enforce_success_rate);
  take(detection.enforcing_local_origin_success_rate(), detection.has_enforcing_local_origin_success_rate(),
       policy.enforce_local_success_rate);
  take(detection.enforcing_failure_percentage(), detection.has_enforcing_failure_percentage(),
       policy.enforce_failure_percentage);
  take(detection.enforcing_failure_percentage_local_origin(), detection.has_enforcing_failure_percentage_local_origin(),
       policy.enforce_local_failure_percentage);
  take(detection.success_rate_minimum_hosts(), detection.has_success_rate_minimum_hosts(), policy.success_rate_hosts);
  take(detection.success_rate_request_volume(), detection.has_success_rate_request_volume(),
       policy.success_rate_volume);
  take(detection.success_rate_stdev_factor(), detection.has_success_rate_stdev_factor(), policy.success_rate_stdev);
  take(detection.failure_percentage_threshold(), detection.has_failure_percentage_threshold(),
       policy.failure_percentage_threshold);
  take(detection.failure_percentage_minimum_hosts(), detection.has_failure_percentage_minimum_hosts(),
       policy.failure_percentage_hosts);
  take(detection.failure_percentage_request_volume(), detection.has_failure_percentage_request_volume(),
       policy.failure_percentage_volume);
  take(detection.max_ejection_percent(), detection.has_max_ejection_percent(), policy.max_ejection_percent);
  for (uint32_t percent :
       {policy.enforce_5xx, policy.enforce_gateway_failure, policy.enforce_local_failure, policy.enforce_success_rate,
        policy.enforce_local_success_rate, policy.enforce_failure_percentage, policy.enforce_local_failure_percentage,
        policy.failure_percentage_threshold, policy.max_ejection_percent})
    if (percent > 100) return wrong("outlier_detection: a percentage is 100 at most");
  policy.split_local = detection.split_external_local_origin_errors();
  policy.always_eject_one = detection.always_eject_one_host().value();
  if (detection.has_successful_active_health_check_uneject_host())
    policy.checks_uneject = detection.successful_active_health_check_uneject_host().value();
  if (detection.has_interval()) policy.interval = milliseconds_of(detection.interval());
  if (detection.has_base_ejection_time()) policy.base_ejection = milliseconds_of(detection.base_ejection_time());
  policy.max_ejection = detection.has_max_ejection_time() ? milliseconds_of(detection.max_ejection_time())
                                                          : std::max(policy.base_ejection, policy.max_ejection);
  policy.jitter = milliseconds_of(detection.max_ejection_time_jitter());
  if (policy.interval.count() <= 0 || policy.base_ejection.count() <= 0 || policy.max_ejection.count() <= 0)
    return wrong("outlier_detection: times must be greater than 0");
  if (policy.max_ejection < policy.base_ejection)
    return wrong("outlier_detection: max_ejection_time cannot be smaller than base_ejection_time");
  out.outlier = policy;
  return {};
}

base::Result<void> compile_checks(const Compiler& compiler, const v3::Cluster& from, Cluster& out) {
  out.keep_until_check_fails = !from.ignore_health_on_host_removal();
  out.close_on_health_failure = from.close_connections_on_host_health_failure();
  if (from.health_checks_size() > 1) return wrong("Multiple health checks not supported");
  for (const auto& check : from.health_checks()) out.checks.push_back(TRY(check_of(compiler, check, out)));
  return {};
}

}  // namespace proxy
