// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/route/match.h"

namespace proxy {

// What a fault filter was told: for its listener, or by one route.
struct FaultPolicy {
  std::chrono::milliseconds delay{0};
  uint32_t delay_per_million = 0;
  int abort_status = 0;
  std::optional<int> abort_grpc_status;
  uint32_t abort_per_million = 0;
  std::vector<HeaderMatch> headers;  // only requests that match all
};

struct CorsPolicy {
  std::vector<StringMatch> origins;
  std::string methods, headers, expose, max_age;
  bool credentials = false;
  bool forward_unmatched_preflights = true;
  bool enabled = true;
};

// Per-filter settings of a route, a virtual host or a route table; the most
// specific one that is there counts.
struct Policies {
  std::shared_ptr<const FaultPolicy> fault;
  std::shared_ptr<const CorsPolicy> cors;
  bool fault_off = false;
  bool cors_off = false;
};

}  // namespace proxy
