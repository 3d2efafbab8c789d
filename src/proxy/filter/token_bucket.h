// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>

namespace proxy {

// Lets a rate pass, and bursts up to a number. Fills continuously, as Envoy's
// does. One value holds all of it: the moment at which the bucket was empty, so
// that threads share it with one compare-and-swap. Time is passed in.
class TokenBucket {
 public:
  using Time = std::chrono::steady_clock::time_point;
  struct Rate {
    uint32_t most = 0;  // tokens; full at the start
    double per_second = 0;
    bool operator==(const Rate&) const = default;
  };

  explicit TokenBucket(const Rate& rate) : rate_(rate) {}
  TokenBucket(const TokenBucket&) = delete;

  // All of them or none.
  bool take(uint32_t tokens, Time now) {
    double at = seconds(now), empty_at = empty_at_.load(std::memory_order_relaxed);
    for (;;) {
      double from = std::max(empty_at, at - full_after());
      double next = from + tokens / rate_.per_second;
      if (next > at + kSlack) return false;
      if (empty_at_.compare_exchange_weak(empty_at, next, std::memory_order_relaxed)) return true;
    }
  }
  uint32_t left(Time now) const {
    double from = std::max(empty_at_.load(std::memory_order_relaxed), seconds(now) - full_after());
    return static_cast<uint32_t>(std::max(0.0, (seconds(now) - from) * rate_.per_second + kSlack));
  }
  // Whole seconds until a token is there; 0: now.
  uint32_t wait(Time now) const {
    double from = std::max(empty_at_.load(std::memory_order_relaxed), seconds(now) - full_after());
    double missing = from + 1 / rate_.per_second - seconds(now);
    return missing > kSlack ? static_cast<uint32_t>(std::ceil(missing)) : 0;
  }
  const Rate& rate() const { return rate_; }

 private:
  static constexpr double kSlack = 1e-6;  // of sums of fractions
  static double seconds(Time time) { return std::chrono::duration<double>(time.time_since_epoch()).count(); }
  double full_after() const { return rate_.most / rate_.per_second; }

  const Rate rate_;
  std::atomic<double> empty_at_{-1e18};
};

}  // namespace proxy
