// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/http_counts.h"

namespace proxy {

void HttpCounts::collect(telemetry::Scrape& scrape) const {
  auto name = [&](const char* leaf) {
    return telemetry::StatName(std::string("http.{envoy_http_conn_manager_prefix}.") + leaf, {prefix});
  };
  auto counter = [&](const char* leaf, uint64_t value) { scrape.counter(name(leaf), value); };
  counter("downstream_cx_total", connections);
  counter("downstream_cx_destroy", connections_ended);
  counter("downstream_cx_ssl_total", connections_tls);
  counter("downstream_cx_http1_total", connections_http1);
  counter("downstream_cx_http2_total", connections_http2);
  counter("downstream_cx_upgrades_total", upgrades);
  counter("downstream_cx_max_duration_reached", connections_too_old);
  counter("downstream_cx_max_requests_reached", connections_of_most_requests);
  counter("downstream_cx_drain_close", connections_drained);
  scrape.gauge(name("downstream_cx_active"), static_cast<double>(connections - connections_ended));
  scrape.gauge(name("downstream_cx_http1_active"), active_http1);
  scrape.gauge(name("downstream_cx_http2_active"), active_http2);
  scrape.gauge(name("downstream_rq_active"), requests_active);
  counter("downstream_rq_total", requests);
  counter("downstream_rq_http1_total", requests_http1);
  counter("downstream_rq_http2_total", requests_http2);
  counter("downstream_rq_completed", completed);
  counter("downstream_rq_rx_reset", reset);
  counter("downstream_rq_timeout", timed_out);
  counter("downstream_rq_max_duration_reached", too_long);
  counter("downstream_rq_idle_timeout", idle);
  counter("downstream_rq_header_timeout", head_timeouts);
  counter("downstream_rq_response_before_rq_complete", early_responses);
  counter("downstream_rq_failed_path_normalization", bad_paths);
  counter("no_route", no_route);
  counter("no_cluster", no_cluster);
  counter("rq_redirect", redirects);
  counter("rq_direct_response", direct_responses);
  counter("rq_total", requests);
  counter("downstream_cx_protocol_error", protocol_errors);
  counter("downstream_cx_idle_timeout", connections_idle);
  counter("downstream_cx_rx_bytes_total", wire_received);
  counter("downstream_cx_tx_bytes_total", wire_sent);
  counter("downstream_rq_overload_close", overloaded);
  scrape.histogram(name("downstream_rq_time"), duration);
  scrape.histogram(name("downstream_cx_length_ms"), length);

  const std::string within = "listener.{envoy_listener_address}.http.{envoy_http_conn_manager_prefix}.";
  scrape.counter(telemetry::StatName(within + "downstream_rq_completed", {listener, prefix}), completed);
  for (int i = 1; i <= 5; ++i) {
    const std::string by = std::to_string(i);
    scrape.counter(
        telemetry::StatName("http.{envoy_http_conn_manager_prefix}.downstream_rq_{envoy_response_code_class}xx",
                            {prefix, by}),
        by_class[i]);
    scrape.counter(telemetry::StatName(within + "downstream_rq_{envoy_response_code_class}xx", {listener, prefix, by}),
                   by_class[i]);
  }
}

}  // namespace proxy
