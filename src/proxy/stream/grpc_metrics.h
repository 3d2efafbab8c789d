// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/strings.h"
#include "telemetry/metrics.h"

namespace proxy {

// gRPC calls by cluster, service and method: one worker's.
class GrpcMetrics {
 public:
  struct Series {
    std::string cluster, service, method;
    uint64_t total = 0, success = 0, failure = 0, requests = 0, responses = 0;
    std::array<uint64_t, 17> by_code{};
  };
  // Names come from clients: past a thousand, the rest are counted together.
  Series& of(std::string_view cluster, std::string_view service, std::string_view method);
  void collect(telemetry::Scrape& scrape) const;

 private:
  base::StringMap<Series> series_;
  std::string key_;
};

}  // namespace proxy
