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

// A name that RuntimeConfig keeps an index for: where the thing it names may
// come and go while the one who names it stays. kNone: no name.
using Slot = uint32_t;
inline constexpr Slot kNone = static_cast<Slot>(-1);

// What one filter was told for a route, a virtual host or a route table. Each
// filter derives its own kind; immutable, shared by all threads.
struct FilterPolicy {
  FilterPolicy() = default;
  FilterPolicy(const FilterPolicy&) = default;
  FilterPolicy(FilterPolicy&&) = default;
  FilterPolicy& operator=(const FilterPolicy&) = default;
  FilterPolicy& operator=(FilterPolicy&&) = default;
  virtual ~FilterPolicy() = default;
};

// The typed_per_filter_config of a route, a virtual host or a route table: by
// the slots of the filters' names, so that a request compares numbers.
class Policies {
 public:
  struct Entry {
    Slot filter = kNone;
    bool off = false;                            // FilterConfig.disabled; else the filter is on, whatever its default
    std::shared_ptr<const FilterPolicy> policy;  // may be none
  };

  void add(Entry entry) { entries_.push_back(std::move(entry)); }
  bool empty() const { return entries_.empty(); }
  const Entry* find(Slot filter) const {
    for (const Entry& entry : entries_)
      if (entry.filter == filter) return &entry;
    return nullptr;
  }

 private:
  std::vector<Entry> entries_;
};

// What a fault filter was told: for its listener, or by one route.
struct FaultPolicy final : FilterPolicy {
  std::chrono::milliseconds delay{0};
  uint32_t delay_per_million = 0, delay_step = 0;  // step: of one unit of the percentage, which a header may lower
  int abort_status = 0;
  std::optional<int> abort_grpc_status;
  uint32_t abort_per_million = 0, abort_step = 0;
  uint64_t rate_kib = 0;  // a second, of the response's body
  uint32_t rate_per_million = 0, rate_step = 0;
  bool delay_by_header = false, abort_by_header = false, rate_by_header = false;  // the request says how much of it
  std::string upstream_cluster;                                                   // only requests there; empty: all
  std::vector<std::string> downstream_nodes;  // only requests from one of these; empty: all
  std::vector<HeaderMatch> headers;           // only requests that match all
  std::optional<uint32_t> most_active;        // requests with a fault at a time; above, the others pass unharmed
};

struct CorsPolicy final : FilterPolicy {
  std::vector<StringMatch> origins;
  std::string methods, headers, expose, max_age;
  std::optional<bool> credentials, forward_unmatched_preflights;
  bool enabled = true;
};

}  // namespace proxy
