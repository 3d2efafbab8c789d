// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace proxy {

// What a circuit breaker counts.
enum class Limited : uint8_t { Connections, Pending, Requests, Retries };
inline constexpr size_t kLimited = 4;
inline constexpr uint32_t kUnlimited = UINT32_MAX;

// Numbers that all workers of the process count together, against limits.
//
// Each worker counts in a cache line of its own with plain stores; it looks at
// the others' only while one of them holds more than its even part of the
// limit. So the usual request shares no written line with another thread, and
// the limit is still the process's. What workers admit at the very same moment
// may pass it by as many, as in Envoy.
class Limits {
 public:
  explicit Limits(unsigned workers) : workers_(workers), parts_(std::make_unique<Part[]>(workers)) {}

  // One more, or false: `limit` is reached. On the thread of `worker`, as give_back() is.
  bool take(unsigned worker, Limited what, bool high, uint32_t limit) {
    if (limit != kUnlimited && !room(worker, what, high, limit)) return false;
    step(worker, what, high, limit, 1);
    return true;
  }
  // Counts one more, whatever the limit.
  void take_anyway(unsigned worker, Limited what, bool high, uint32_t limit) { step(worker, what, high, limit, 1); }
  void give_back(unsigned worker, Limited what, bool high, uint32_t limit) { step(worker, what, high, limit, ~0u); }

  bool room(unsigned worker, Limited what, bool high, uint32_t limit) const {
    if (limit == kUnlimited) return true;
    const auto kind = static_cast<size_t>(what);
    const uint32_t own = parts_[worker].counts[high][kind].load(std::memory_order_relaxed);
    if (own < limit / workers_ && crowded_[high][kind].load(std::memory_order_relaxed) == 0) return true;
    return total(what, high) < limit;
  }
  uint32_t total(Limited what, bool high) const {
    uint32_t sum = 0;
    for (unsigned i = 0; i < workers_; ++i)
      sum += parts_[i].counts[high][static_cast<size_t>(what)].load(std::memory_order_relaxed);
    return sum;
  }

 private:
  struct alignas(64) Part {
    std::atomic<uint32_t> counts[2][kLimited] = {};
    bool above[2][kLimited] = {};  // more than the even part, and told in crowded_
  };
  void step(unsigned worker, Limited what, bool high, uint32_t limit, uint32_t by) {
    const auto kind = static_cast<size_t>(what);
    Part& part = parts_[worker];
    const uint32_t now = part.counts[high][kind].load(std::memory_order_relaxed) + by;
    part.counts[high][kind].store(now, std::memory_order_relaxed);
    const bool above = now > limit / workers_;
    if (above == part.above[high][kind]) return;
    part.above[high][kind] = above;
    crowded_[high][kind].fetch_add(above ? 1u : ~0u, std::memory_order_relaxed);
  }

  const unsigned workers_;
  std::unique_ptr<Part[]> parts_;
  alignas(64) std::atomic<uint32_t> crowded_[2][kLimited] = {};
};

}  // namespace proxy
