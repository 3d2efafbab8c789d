// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

#include "proxy/filter/filter.h"

namespace proxy {

// Answers load balancers that ask whether this proxy may have traffic: 200, or
// 503 while it drains or where a cluster has too few healthy endpoints. Or
// passes the question on and keeps the answer for a while.
class HealthCheckFilter final : public Filter {
 public:
  struct Config {
    bool pass_through = false;
    std::chrono::milliseconds cache_time{0};
    std::vector<std::pair<Slot, double>> least_healthy;  // clusters and percentages
    std::vector<HeaderMatch> headers;                    // all of them make a request a health check
  };
  explicit HealthCheckFilter(Config config) : config_(std::move(config)) {}
  std::string_view name() const override { return "envoy.filters.http.health_check"; }
  Verdict on_request(Stream& stream) const override;
  void on_response(Stream& stream, http::ResponseHead& head) const override;

 private:
  bool clusters_are_well(Stream& stream) const;

  const Config config_;
  // What the upstream said last, and until when that counts; for all threads.
  mutable std::atomic<int> answer_{0};
  mutable std::atomic<std::chrono::steady_clock::time_point> until_{};
};

}  // namespace proxy
