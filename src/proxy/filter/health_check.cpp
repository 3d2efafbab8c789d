// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/health_check.h"

#include <algorithm>

#include "proxy/stream/stream.h"

namespace proxy {

namespace {
struct Asked final : FilterState {
  bool passed_on = false;
};
}  // namespace

bool HealthCheckFilter::clusters_are_well(Stream& stream) const {
  for (auto [slot, least] : config_.least_healthy) {
    ClusterState* cluster = stream.worker().cluster(slot);
    if (!cluster) return false;
    size_t all = 0, well = 0;
    cluster->each_host([&](Host& host) {
      ++all;
      well += host.well;
    });
    if (all == 0 ? least > 0 : 100.0 * static_cast<double>(well) < least * static_cast<double>(all)) return false;
  }
  return true;
}

Verdict HealthCheckFilter::on_request(Stream& stream) const {
  auto fits = [&](const HeaderMatch& match) { return match.matches(stream.request); };
  if (!std::all_of(config_.headers.begin(), config_.headers.end(), fits)) return Continue{};
  Asked& asked = stream.state<Asked>(*this);
  stream.record.health_check = true;
  const bool draining = stream.worker().draining || stream.worker().unwell;
  if (!config_.pass_through) {
    bool well = !draining && clusters_are_well(stream);
    if (!well) stream.record.set(telemetry::Flag::FailedLocalHealthCheck);
    const char* details = well ? "health_check_ok" : "health_check_failed";
    if (!draining && !config_.least_healthy.empty())
      details = well ? "health_check_ok_cluster_healthy" : "health_check_failed_cluster_unhealthy";
    return Reply{.status = well ? 200 : 503, .details = details};
  }
  if (draining) {
    stream.record.set(telemetry::Flag::FailedLocalHealthCheck);
    return Reply{.status = 503, .details = "health_check_failed"};
  }
  int answer = answer_.load(std::memory_order_relaxed);
  if (answer && stream.worker().loop().now() < until_.load(std::memory_order_relaxed))
    return Reply{.status = answer, .details = "health_check_cached"};
  asked.passed_on = true;
  return Continue{};
}

void HealthCheckFilter::on_response(Stream& stream, http::ResponseHead& head) const {
  const Asked* asked = stream.find_state<Asked>(*this);
  if (asked) {
    head.headers.set("x-envoy-upstream-healthchecked-cluster", stream.worker().options.service_cluster);
    if (asked->passed_on && config_.cache_time.count() > 0 && !stream.replied()) {
      until_.store(stream.worker().loop().now() + config_.cache_time, std::memory_order_relaxed);
      answer_.store(head.status, std::memory_order_relaxed);
    }
  }
  if (stream.worker().draining || stream.worker().unwell)
    head.headers.set("x-envoy-immediate-health-check-fail", "true");
}

}  // namespace proxy
