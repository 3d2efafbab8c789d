// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/worker.h"

namespace proxy {

static void collect_cluster(const ClusterState& state, telemetry::Scrape& scrape) {
  const auto& c = state.counts;
  const telemetry::Labels labels{{"envoy_cluster_name", state.config()->stat_name}};
  auto counter = [&](const char* name, uint64_t value) {
    scrape.counter(std::string("envoy_cluster_") + name, labels, value);
  };
  auto gauge = [&](const char* name, double value) {
    scrape.gauge(std::string("envoy_cluster_") + name, labels, value);
  };
  counter("upstream_rq_total", c.requests);
  gauge("upstream_rq_active", c.active_requests);
  counter("upstream_rq_pending_total", c.pending_total);
  gauge("upstream_rq_pending_active", c.pending);
  counter("upstream_rq_pending_overflow", c.pending_overflow);
  counter("upstream_rq_retry", c.retries);
  counter("upstream_rq_retry_overflow", c.retry_overflow);
  counter("upstream_rq_timeout", c.timeouts);
  counter("upstream_rq_per_try_timeout", c.per_try_timeouts);
  counter("upstream_rq_rx_reset", c.resets);
  counter("upstream_cx_total", c.connections);
  counter("upstream_cx_http2_total", c.connections_http2);
  gauge("upstream_cx_active", c.active_connections);
  counter("upstream_cx_connect_fail", c.connect_failures);
  counter("upstream_cx_connect_timeout", c.connect_timeouts);
  counter("upstream_cx_none_healthy", c.none_healthy);
  counter("upstream_cx_overflow", c.connection_overflow);
  counter("upstream_cx_max_requests", c.max_requests_reached);
  counter("upstream_cx_max_duration_reached", c.max_duration_reached);
  counter("upstream_cx_idle_timeout", c.idle_timeouts);
  counter("http2_keepalive_timeout", c.http2_keepalive_timeouts);
  counter("ssl_fail_verify_san", c.san_failures);
  counter("upstream_cx_protocol_error", c.protocol_errors);
  counter("lb_healthy_panic", c.panics);
  counter("upstream_rq_retry_limit_exceeded", c.retry_limit_exceeded);
  counter("upstream_rq_retry_success", c.retry_success);
  counter("upstream_internal_redirect_succeeded_total", c.redirects);
  if (c.request_time.count()) scrape.histogram("envoy_cluster_upstream_rq_time", labels, c.request_time);
  uint64_t completed = 0;
  for (const auto& [status, count] : c.by_status) {
    telemetry::Labels by_code = labels;
    by_code.emplace_back("envoy_response_code", std::to_string(status));
    scrape.counter("envoy_cluster_upstream_rq", by_code, count);
    completed += count;
  }
  counter("upstream_rq_completed", completed);
  for (int i = 1; i <= 5; ++i) {
    telemetry::Labels by_class = labels;
    by_class.emplace_back("envoy_response_code_class", std::to_string(i));
    scrape.counter("envoy_cluster_upstream_rq_xx", by_class, c.by_class[i]);
  }
}

void collect_shared(const Cluster& cluster, telemetry::Scrape& scrape) {
  if (!cluster.shared) return;
  ClusterShared& shared = *cluster.shared;
  const telemetry::Labels labels{{"envoy_cluster_name", cluster.stat_name}};
  constexpr auto kRelaxed = std::memory_order_relaxed;
  for (bool high : {false, true}) {
    const CircuitBreaker& breaker = cluster.breaker[high];
    const std::pair<Limited, uint32_t> limits[] = {{Limited::Connections, breaker.connections},
                                                   {Limited::Pending, breaker.pending},
                                                   {Limited::Requests, breaker.requests},
                                                   {Limited::Retries, breaker.retries}};
    static constexpr const char* kOpen[] = {"cx_open", "rq_pending_open", "rq_open", "rq_retry_open"};
    static constexpr const char* kLeft[] = {"remaining_cx", "remaining_pending", "remaining_rq", "remaining_retries"};
    const std::string prefix = std::string("envoy_cluster_circuit_breakers_") + (high ? "high_" : "default_");
    for (const auto& [what, limit] : limits) {
      const uint32_t now = shared.limits.total(what, high);
      const auto index = static_cast<size_t>(what);
      scrape.gauge(prefix + kOpen[index], labels, now >= limit ? 1 : 0);
      if (breaker.track_remaining) scrape.gauge(prefix + kLeft[index], labels, now >= limit ? 0 : limit - now);
    }
  }
  if (cluster.outlier) {
    const std::string prefix = "envoy_cluster_outlier_detection_";
    scrape.gauge(prefix + "ejections_active", labels, static_cast<double>(shared.counts.active.load(kRelaxed)));
    scrape.counter(prefix + "ejections_enforced_total", labels, shared.counts.enforced.load(kRelaxed));
    scrape.counter(prefix + "ejections_overflow", labels, shared.counts.overflow.load(kRelaxed));
    for (size_t i = 0; i < std::size(shared.counts.detected_by); ++i) {
      const std::string cause(ClusterShared::name(static_cast<ClusterShared::Cause>(i)));
      scrape.counter(prefix + "ejections_detected_" + cause, labels, shared.counts.detected_by[i].load(kRelaxed));
      scrape.counter(prefix + "ejections_enforced_" + cause, labels, shared.counts.enforced_by[i].load(kRelaxed));
    }
  }
  if (!cluster.checks.empty()) {
    const auto& checks = shared.checks;
    scrape.counter("envoy_cluster_health_check_attempt", labels, checks.attempts.load(kRelaxed));
    scrape.counter("envoy_cluster_health_check_success", labels, checks.successes.load(kRelaxed));
    scrape.counter("envoy_cluster_health_check_failure", labels, checks.failures.load(kRelaxed));
    scrape.counter("envoy_cluster_health_check_network_failure", labels, checks.network_failures.load(kRelaxed));
    scrape.gauge("envoy_cluster_health_check_healthy", labels, static_cast<double>(checks.healthy.load(kRelaxed)));
  }
}

// Envoy's names, as Prometheus gets them from Envoy.
void Worker::collect(telemetry::Scrape& scrape) {
  for (const auto& counted : http_counts_) counted->collect(scrape);
  scrape.counter("envoy_http_downstream_cx_protocol_error", {}, counts.protocol_errors);
  scrape.counter("envoy_http2_keepalive_timeout", {}, counts.http2_keepalive_timeouts);
  scrape.counter("envoy_listener_no_filter_chain_match", {}, counts.no_filter_chain);
  scrape.counter("envoy_listener_ssl_handshake", {}, counts.tls_handshakes);
  scrape.counter("envoy_listener_ssl_connection_error", {}, counts.tls_failures);
  scrape.counter("envoy_listener_ssl_fail_verify_san", {}, counts.identity_failures);
  scrape.counter("envoy_listener_downstream_cx_overflow", {}, counts.connections_refused);
  scrape.counter("envoy_http_downstream_rq_overload_close", {}, counts.overloaded);
  scrape.counter("envoy_listener_proxy_proto_error", {}, counts.proxy_header_errors);
  each_cluster([&](ClusterState& state) { collect_cluster(state, scrape); });
  for (Slot slot = 0; slot < counters_.size(); ++slot)
    scrape.counter((*config().counters)[slot].name, (*config().counters)[slot].labels, counters_[slot]);
  grpc_metrics.collect(scrape);
  if (options.istio_metrics) metrics.collect(options.self, scrape);
}

}  // namespace proxy
