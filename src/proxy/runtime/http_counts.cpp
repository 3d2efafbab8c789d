// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/http_counts.h"

namespace proxy {

void HttpCounts::collect(telemetry::Scrape& scrape) const {
  const telemetry::Labels labels{{"envoy_http_conn_manager_prefix", prefix}};
  auto counter = [&](const char* name, uint64_t value) {
    scrape.counter(std::string("envoy_http_") + name, labels, value);
  };
  counter("downstream_cx_total", connections);
  counter("downstream_cx_destroy", connections_ended);
  counter("downstream_cx_ssl_total", connections_tls);
  counter("downstream_cx_http1_total", connections_http1);
  counter("downstream_cx_http2_total", connections_http2);
  counter("downstream_cx_upgrades_total", upgrades);
  counter("downstream_cx_max_duration_reached", connections_too_old);
  counter("downstream_cx_max_requests_reached", connections_of_most_requests);
  counter("downstream_cx_drain_close", connections_drained);
  scrape.gauge("envoy_http_downstream_cx_active", labels, static_cast<double>(connections - connections_ended));
  scrape.gauge("envoy_http_downstream_rq_active", labels, requests_active);
  counter("downstream_rq_total", requests);
  counter("downstream_rq_http1_total", requests_http1);
  counter("downstream_rq_http2_total", requests_http2);
  counter("downstream_rq_completed", completed);
  counter("downstream_rq_rx_reset", reset);
  counter("downstream_rq_timeout", timed_out);
  counter("downstream_rq_max_duration_reached", too_long);
  counter("downstream_rq_idle_timeout", idle);
  counter("downstream_rq_response_before_rq_complete", early_responses);
  counter("downstream_rq_failed_path_normalization", bad_paths);
  counter("no_route", no_route);
  counter("no_cluster", no_cluster);
  counter("rq_redirect", redirects);
  counter("rq_direct_response", direct_responses);
  counter("rq_total", requests);
  scrape.histogram("envoy_http_downstream_rq_time", labels, duration);

  telemetry::Labels within{{"envoy_listener_address", listener}, {"envoy_http_conn_manager_prefix", prefix}};
  scrape.counter("envoy_listener_http_downstream_rq_completed", within, completed);
  const telemetry::Labels at{{"envoy_listener_address", listener}};
  scrape.counter("envoy_listener_downstream_cx_total", at, connections);
  scrape.counter("envoy_listener_downstream_cx_destroy", at, connections_ended);
  scrape.gauge("envoy_listener_downstream_cx_active", at, static_cast<double>(connections - connections_ended));
  for (int i = 1; i <= 5; ++i) {
    telemetry::Labels by_class = labels, by_class_within = within;
    by_class.emplace_back("envoy_response_code_class", std::to_string(i));
    by_class_within.emplace_back("envoy_response_code_class", std::to_string(i));
    scrape.counter("envoy_http_downstream_rq_xx", by_class, this->by_class[i]);
    scrape.counter("envoy_listener_http_downstream_rq_xx", by_class_within, this->by_class[i]);
  }
}

}  // namespace proxy
