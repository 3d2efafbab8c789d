// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/worker.h"

namespace proxy {

using telemetry::StatName;

static const std::string kCluster = "cluster.{envoy_cluster_name}.";

static void collect_cluster(const ClusterState& state, telemetry::Scrape& scrape) {
  const auto& c = state.counts;
  const std::string& cluster = state.config()->stat_name;
  auto name = [&](const char* leaf) { return StatName(kCluster + leaf, {cluster}); };
  auto counter = [&](const char* leaf, uint64_t value) { scrape.counter(name(leaf), value); };
  auto gauge = [&](const char* leaf, double value) { scrape.gauge(name(leaf), value); };
  counter("upstream_rq_total", c.requests);
  gauge("upstream_rq_active", c.active_requests);
  counter("upstream_rq_pending_total", c.pending_total);
  gauge("upstream_rq_pending_active", c.pending);
  counter("upstream_rq_pending_overflow", c.pending_overflow);
  counter("upstream_rq_active_overflow", c.active_overflow);
  counter("upstream_rq_retry", c.retries);
  counter("retry_or_shadow_abandoned", c.retries_abandoned);
  counter("upstream_rq_retry_overflow", c.retry_overflow);
  counter("upstream_rq_timeout", c.timeouts);
  counter("upstream_rq_retry_backoff_exponential", c.back_offs);
  counter("upstream_rq_retry_backoff_ratelimited", c.wished_back_offs);
  counter("upstream_rq_per_try_timeout", c.per_try_timeouts);
  counter("upstream_rq_per_try_idle_timeout", c.per_try_idle_timeouts);
  counter("upstream_rq_rx_reset", c.resets);
  counter("upstream_cx_total", c.connections);
  counter("upstream_cx_http2_total", c.connections_http2);
  gauge("upstream_cx_active", c.active_connections);
  counter("upstream_cx_connect_fail", c.connect_failures);
  counter("upstream_cx_connect_timeout", c.connect_timeouts);
  counter("upstream_cx_connect_attempts_exceeded", c.connect_attempts_exceeded);
  counter("upstream_cx_none_healthy", c.none_healthy);
  if (state.config()->type == Cluster::Type::OriginalDst) counter("original_dst_host_invalid", c.original_host_invalid);
  counter("upstream_cx_overflow", c.connection_overflow);
  counter("upstream_cx_max_requests", c.max_requests_reached);
  counter("upstream_cx_max_duration_reached", c.max_duration_reached);
  counter("upstream_cx_idle_timeout", c.idle_timeouts);
  counter("http2.keepalive_timeout", c.http2_keepalive_timeouts);
  counter("upstream_cx_protocol_error", c.protocol_errors);
  counter("lb_healthy_panic", c.panics);
  counter("upstream_rq_retry_limit_exceeded", c.retry_limit_exceeded);
  counter("upstream_rq_retry_success", c.retry_success);
  counter("upstream_internal_redirect_failed_total", c.redirects_failed);
  counter("upstream_internal_redirect_succeeded_total", c.redirects);
  counter("upstream_rq_cancelled", c.cancelled);
  counter("upstream_cx_http1_total", c.connections_http1);
  counter("upstream_cx_destroy", c.connections_ended);
  counter("upstream_cx_rx_bytes_total", c.bytes_received);
  counter("upstream_cx_tx_bytes_total", c.bytes_sent);
  if (c.connect_time.count()) scrape.histogram(name("upstream_cx_connect_ms"), c.connect_time);
  if (c.connection_length.count()) scrape.histogram(name("upstream_cx_length_ms"), c.connection_length);
  if (c.request_time.count()) scrape.histogram(name("upstream_rq_time"), c.request_time);
  if (c.tls.handshakes || c.tls.errors || state.config()->transport.is_tls()) c.tls.collect(scrape, kCluster, cluster);
  const auto statuses = [&](const std::string& before, const ClusterState::Counts::Statuses& of) {
    uint64_t completed = 0;
    for (const auto& [status, count] : of.by_status) {
      scrape.counter(StatName(before + "upstream_rq_{envoy_response_code}", {cluster, std::to_string(status)}), count);
      completed += count;
    }
    scrape.counter(StatName(before + "upstream_rq_completed", {cluster}), completed);
    for (int i = 1; i <= 5; ++i)
      scrape.counter(StatName(before + "upstream_rq_{envoy_response_code_class}xx", {cluster, std::to_string(i)}),
                     of.by_class[i]);
  };
  statuses(kCluster, c.answers);
  if (!c.retried.by_status.empty()) statuses(kCluster + "retry.", c.retried);
}

void collect_shared(const Cluster& cluster, telemetry::Scrape& scrape) {
  if (!cluster.shared) return;
  ClusterShared& shared = *cluster.shared;
  auto name = [&](const std::string& leaf) { return StatName(kCluster + leaf, {cluster.stat_name}); };
  auto counter = [&](const std::string& leaf, uint64_t value) { scrape.counter(name(leaf), value); };
  auto gauge = [&](const std::string& leaf, double value) { scrape.gauge(name(leaf), value); };
  constexpr auto kRelaxed = std::memory_order_relaxed;
  for (bool high : {false, true}) {
    const CircuitBreaker& breaker = cluster.breaker[high];
    const std::pair<Limited, uint32_t> limits[] = {{Limited::Connections, breaker.connections},
                                                   {Limited::Pending, breaker.pending},
                                                   {Limited::Requests, breaker.requests},
                                                   {Limited::Retries, breaker.retries}};
    static constexpr const char* kOpen[] = {"cx_open", "rq_pending_open", "rq_open", "rq_retry_open"};
    static constexpr const char* kLeft[] = {"remaining_cx", "remaining_pending", "remaining_rq", "remaining_retries"};
    const std::string prefix = std::string("circuit_breakers.") + (high ? "high." : "default.");
    for (const auto& [what, limit] : limits) {
      const uint32_t now = shared.limits.total(what, high);
      const auto index = static_cast<size_t>(what);
      gauge(prefix + kOpen[index], now >= limit ? 1 : 0);
      if (breaker.track_remaining) gauge(prefix + kLeft[index], now >= limit ? 0 : limit - now);
    }
  }
  if (cluster.outlier) {
    const std::string prefix = "outlier_detection.";
    gauge(prefix + "ejections_active", static_cast<double>(shared.counts.active.load(kRelaxed)));
    counter(prefix + "ejections_enforced_total", shared.counts.enforced.load(kRelaxed));
    counter(prefix + "ejections_overflow", shared.counts.overflow.load(kRelaxed));
    for (size_t i = 0; i < std::size(shared.counts.detected_by); ++i) {
      const std::string cause(ClusterShared::name(static_cast<ClusterShared::Cause>(i)));
      counter(prefix + "ejections_detected_" + cause, shared.counts.detected_by[i].load(kRelaxed));
      counter(prefix + "ejections_enforced_" + cause, shared.counts.enforced_by[i].load(kRelaxed));
    }
  }
  if (!cluster.checks.empty()) {
    const auto& checks = shared.checks;
    counter("health_check.attempt", checks.attempts.load(kRelaxed));
    counter("health_check.success", checks.successes.load(kRelaxed));
    counter("health_check.failure", checks.failures.load(kRelaxed));
    counter("health_check.network_failure", checks.network_failures.load(kRelaxed));
    counter("health_check.passive_failure", checks.passive_failures.load(kRelaxed));
    gauge("health_check.healthy", static_cast<double>(checks.healthy.load(kRelaxed)));
  }
}

// Envoy's names.
void Worker::collect(telemetry::Scrape& scrape) {
  const std::string number = std::to_string(options.index);
  for (const auto& counted : http_counts_) counted->collect(scrape);
  for (const auto& counted : tcp_counts_) counted->collect(scrape);
  for (const auto& listener : pin_->config->listeners) listener_counts(listener->stat_name);  // those unused yet, too
  for (const auto& counted : listener_counts_) counted->collect(scrape, number);
  auto counter = [&](const char* name, uint64_t value) { scrape.counter(StatName(name), value); };
  counter("http2.keepalive_timeout", counts.http2_keepalive_timeouts);
  counter("tls_inspector.tls_found", counts.tls_found);
  counter("tls_inspector.tls_not_found", counts.tls_not_found);
  counter("tls_inspector.client_hello_too_large", counts.hello_too_large);
  counter("tls_inspector.sni_found", counts.sni_found);
  counter("tls_inspector.sni_not_found", counts.tls_found - counts.sni_found);
  counter("tls_inspector.alpn_found", counts.alpn_found);
  counter("tls_inspector.alpn_not_found", counts.tls_found - counts.alpn_found);
  counter("http_inspector.http10_found", counts.http10_found);
  counter("http_inspector.http11_found", counts.http11_found);
  counter("http_inspector.http2_found", counts.http2_found);
  counter("http_inspector.http_not_found", counts.http_not_found);
  scrape.gauge(StatName("server.total_connections"), static_cast<double>(session_count));
  each_cluster([&](ClusterState& state) {
    state.count_bytes();
    collect_cluster(state, scrape);
  });
  for (Slot slot = 0; slot < counters_.size(); ++slot) scrape.counter((*config().counters)[slot], counters_[slot]);
  grpc_metrics.collect(scrape);
  if (options.istio_metrics) metrics.collect(options.self, scrape);
}

}  // namespace proxy
