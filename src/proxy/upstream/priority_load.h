// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace proxy {

// How well one priority is, by number of hosts or, where the endpoints ask for it, by weight.
struct PriorityHealth {
  uint64_t total = 0, healthy = 0, degraded = 0;
  uint64_t excluded = 0;  // who counts neither as well nor as failed
};

// Percent of the traffic for each priority, 100 in sum unless nobody is there to take any.
struct PriorityLoad {
  uint32_t healthy = 0, degraded = 0;
  bool panic = false;  // so few are well that all hosts are asked, well or not
};

// As Envoy: a priority carries its healthy share times the overprovisioning factor (140: 1.4), the rest spills to
// the next; then degraded hosts; where all together carry less than 100, everybody carries proportionally more.
// `panic_percent` 0: no panic.
std::vector<PriorityLoad> loads_of(std::span<const PriorityHealth> priorities, uint32_t overprovisioning,
                                   double panic_percent);

struct PriorityChoice {
  size_t priority = 0;
  bool degraded = false;
  bool found = false;
};
PriorityChoice choose_priority(std::span<const PriorityLoad> loads, uint64_t hash);

}  // namespace proxy
