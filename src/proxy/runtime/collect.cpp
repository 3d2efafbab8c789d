// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/worker.h"

namespace proxy {

// Envoy's names, as Prometheus gets them from Envoy.
void Worker::collect(telemetry::Scrape& scrape) {
  scrape.counter("envoy_http_downstream_cx_total", {}, counts.connections);
  scrape.gauge("envoy_http_downstream_cx_active", {}, static_cast<double>(session_count));
  scrape.counter("envoy_http_downstream_rq_total", {}, counts.requests);
  scrape.gauge("envoy_http_downstream_rq_active", {}, static_cast<double>(active_streams));
  scrape.counter("envoy_http_downstream_rq_rx_reset", {}, counts.requests_reset);
  scrape.counter("envoy_http_downstream_cx_protocol_error", {}, counts.protocol_errors);
  scrape.counter("envoy_listener_no_filter_chain_match", {}, counts.no_filter_chain);
  scrape.counter("envoy_listener_ssl_handshake", {}, counts.tls_handshakes);
  scrape.counter("envoy_listener_ssl_connection_error", {}, counts.tls_failures);
  scrape.counter("envoy_listener_ssl_fail_verify_san", {}, counts.identity_failures);
  for (int i = 1; i <= 5; ++i)
    scrape.counter("envoy_http_downstream_rq_xx", {{"envoy_response_code_class", std::to_string(i)}}, counts.by_class[i]);
  each_cluster([&](ClusterState& state) {
    const auto& c = state.counts;
    telemetry::Labels labels{{"envoy_cluster_name", state.config()->name}};
    scrape.counter("envoy_cluster_upstream_rq_total", labels, c.requests);
    scrape.gauge("envoy_cluster_upstream_rq_active", labels, c.active_requests);
    scrape.gauge("envoy_cluster_upstream_rq_pending_active", labels, c.pending);
    scrape.counter("envoy_cluster_upstream_rq_retry", labels, c.retries);
    scrape.counter("envoy_cluster_upstream_rq_timeout", labels, c.timeouts);
    scrape.counter("envoy_cluster_upstream_rq_per_try_timeout", labels, c.per_try_timeouts);
    scrape.counter("envoy_cluster_upstream_rq_rx_reset", labels, c.resets);
    scrape.counter("envoy_cluster_upstream_rq_pending_overflow", labels, c.pending_overflow);
    scrape.counter("envoy_cluster_upstream_cx_total", labels, c.connections);
    scrape.counter("envoy_cluster_upstream_cx_http2_total", labels, c.connections_http2);
    scrape.gauge("envoy_cluster_upstream_cx_active", labels, c.active_connections);
    scrape.counter("envoy_cluster_upstream_cx_connect_fail", labels, c.connect_failures);
    scrape.counter("envoy_cluster_upstream_cx_none_healthy", labels, c.none_healthy);
    scrape.counter("envoy_cluster_outlier_detection_ejections_enforced_total", labels, c.ejections);
    for (int i = 1; i <= 5; ++i) {
      telemetry::Labels by_class = labels;
      by_class.emplace_back("envoy_response_code_class", std::to_string(i));
      scrape.counter("envoy_cluster_upstream_rq_xx", by_class, c.by_class[i]);
    }
  });
  for (Slot slot = 0; slot < counters_.size(); ++slot)
    scrape.counter((*config().counters)[slot].name, (*config().counters)[slot].labels, counters_[slot]);
  grpc_metrics.collect(scrape);
  if (options.istio_metrics) metrics.collect(config(), options.self, scrape);
}

}  // namespace proxy
