// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/priority_load.h"

#include <algorithm>

namespace proxy {

// All traffic is shared by number of hosts: nobody is well.
static void spread_in_total_panic(std::span<const PriorityHealth> priorities, std::vector<PriorityLoad>& out) {
  uint64_t total = 0;
  for (const PriorityHealth& priority : priorities) total += priority.total + priority.excluded;
  if (!total) return;
  uint32_t left = 100;
  PriorityLoad* first = nullptr;
  for (size_t i = 0; i < priorities.size(); ++i) {
    out[i].panic = true;
    const uint64_t present = priorities[i].total + priorities[i].excluded;
    out[i].healthy = static_cast<uint32_t>(100 * present / total);
    left -= out[i].healthy;
    if (!first && present) first = &out[i];
  }
  first->healthy += left;
}

std::vector<PriorityLoad> loads_of(std::span<const PriorityHealth> priorities, uint32_t overprovisioning,
                                   double panic_percent) {
  std::vector<PriorityLoad> out(priorities.size());
  auto availability = [&](uint64_t some, uint64_t total) {
    return total ? static_cast<uint32_t>(std::min<uint64_t>(100, overprovisioning * some / total)) : 0u;
  };
  uint32_t sum = 0;
  for (const PriorityHealth& priority : priorities)
    sum += availability(priority.healthy, priority.total) + availability(priority.degraded, priority.total);
  const uint32_t whole = std::min(sum, 100u);
  if (whole == 0) {
    if (panic_percent > 0) spread_in_total_panic(priorities, out);
    return out;
  }
  uint32_t left = 100;
  PriorityLoad* first = nullptr;
  bool first_healthy = false;
  auto give = [&](uint32_t PriorityLoad::* load, uint64_t PriorityHealth::* hosts) {
    for (size_t i = 0; i < priorities.size(); ++i) {
      const uint32_t able = availability(priorities[i].*hosts, priorities[i].total);
      if (able && !first) {
        first = &out[i];
        first_healthy = load == &PriorityLoad::healthy;
      }
      out[i].*load = std::min(left, able * 100 / whole);
      left -= out[i].*load;
    }
  };
  give(&PriorityLoad::healthy, &PriorityHealth::healthy);
  give(&PriorityLoad::degraded, &PriorityHealth::degraded);
  (first_healthy ? first->healthy : first->degraded) += left;  // what rounding lost
  if (whole == 100) return out;
  for (size_t i = 0; i < priorities.size(); ++i) {
    const PriorityHealth& priority = priorities[i];
    const double well = priority.total ? 100.0 * static_cast<double>(priority.healthy + priority.degraded) /
                                             static_cast<double>(priority.total)
                                       : 0;
    out[i].panic = well < panic_percent;
  }
  return out;
}

PriorityChoice choose_priority(std::span<const PriorityLoad> loads, uint64_t hash) {
  const uint64_t point = hash % 100 + 1;
  uint64_t sum = 0;
  for (size_t i = 0; i < loads.size(); ++i)
    if (point <= (sum += loads[i].healthy)) return {i, false, true};
  for (size_t i = 0; i < loads.size(); ++i)
    if (point <= (sum += loads[i].degraded)) return {i, true, true};
  return {};
}

}  // namespace proxy
