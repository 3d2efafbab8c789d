// SPDX-License-Identifier: Apache-2.0
#include "proxy/stream/grpc_metrics.h"

namespace proxy {

static constexpr size_t kMostSeries = 1000;

GrpcMetrics::Series& GrpcMetrics::of(std::string_view cluster, std::string_view service, std::string_view method) {
  if (series_.size() >= kMostSeries) {
    key_.assign(cluster).append(1, '\0').append(service).append(1, '\0').append(method);
    if (!series_.contains(key_)) service = method = "other";
  }
  key_.assign(cluster).append(1, '\0').append(service).append(1, '\0').append(method);
  auto [it, added] = series_.try_emplace(key_);
  if (added) {
    it->second.labels = {{"envoy_cluster_name", std::string(cluster)}};
    if (!service.empty()) it->second.labels.emplace_back("envoy_grpc_bridge_service", service);
    if (!method.empty()) it->second.labels.emplace_back("envoy_grpc_bridge_method", method);
  }
  return it->second;
}

void GrpcMetrics::collect(telemetry::Scrape& scrape) const {
  for (const auto& [key, series] : series_) {
    scrape.counter("envoy_cluster_grpc_total", series.labels, series.total);
    scrape.counter("envoy_cluster_grpc_success", series.labels, series.success);
    scrape.counter("envoy_cluster_grpc_failure", series.labels, series.failure);
    scrape.counter("envoy_cluster_grpc_request_message_count", series.labels, series.requests);
    scrape.counter("envoy_cluster_grpc_response_message_count", series.labels, series.responses);
    for (size_t code = 0; code < series.by_code.size(); ++code)
      if (series.by_code[code])
        scrape.counter("envoy_cluster_grpc_" + std::to_string(code), series.labels, series.by_code[code]);
  }
}

}  // namespace proxy
