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
    it->second.cluster = cluster;
    it->second.service = service;
    it->second.method = method;
  }
  return it->second;
}

void GrpcMetrics::collect(telemetry::Scrape& scrape) const {
  for (const auto& [key, series] : series_) {
    auto name = [&series = series](const std::string& leaf) {
      const std::string scope = "cluster.{envoy_cluster_name}.grpc.";
      if (series.service.empty()) return telemetry::StatName(scope + leaf, {series.cluster});
      if (series.method.empty())
        return telemetry::StatName(scope + "{envoy_grpc_bridge_service}." + leaf, {series.cluster, series.service});
      return telemetry::StatName(scope + "{envoy_grpc_bridge_service}.{envoy_grpc_bridge_method}." + leaf,
                                 {series.cluster, series.service, series.method});
    };
    scrape.counter(name("total"), series.total);
    scrape.counter(name("success"), series.success);
    scrape.counter(name("failure"), series.failure);
    scrape.counter(name("request_message_count"), series.requests);
    scrape.counter(name("response_message_count"), series.responses);
    for (size_t code = 0; code < series.by_code.size(); ++code)
      if (series.by_code[code]) scrape.counter(name(std::to_string(code)), series.by_code[code]);
  }
}

}  // namespace proxy
