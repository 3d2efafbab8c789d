// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>

#include "net/loop.h"
#include "proxy/filter/filter.h"
#include "proxy/filter/policy.h"

namespace proxy {

// Delays or answers a share of the requests itself, or slows their answers down,
// to rehearse an upstream's failure. The route's policy goes before the listener's.
class FaultFilter final : public Filter {
 public:
  struct Counters {
    Slot aborts = kNone, delays = kNone, overflow = kNone, slowed = kNone;
  };
  FaultFilter(FaultPolicy policy, Counters counters) : policy_(std::move(policy)), counters_(counters) {}
  std::string_view name() const override { return "envoy.filters.http.fault"; }
  Verdict on_request(Stream& stream) const override;
  void on_response(Stream& stream, http::ResponseHead& head) const override;
  Verdict on_response_data(Stream& stream, net::Buffer& bytes, bool end) const override;
  Verdict on_response_trailers(Stream& stream, net::Buffer& last, http::Headers& trailers) const override;

 private:
  // What it does to one request; a request counts once, however many faults it gets.
  struct Injury;
  Injury* injure(Stream& stream, const FaultPolicy& policy) const;

  FaultPolicy policy_;
  Counters counters_;
  std::shared_ptr<std::atomic<uint32_t>> active_ = std::make_shared<std::atomic<uint32_t>>(0);  // of the process
};

// How much of a body may go when, as Envoy: twenty slices a second, of which
// those of one second are saved up while nothing goes.
class SlowBody {
 public:
  static constexpr std::chrono::milliseconds kSlice{50};

  SlowBody(uint64_t kib_per_second, net::Clock::time_point now)
      : slice_(std::max<uint64_t>(kib_per_second * 1024 / 20, 1)), counted_(now) {}
  // How many of `size` bytes may go now.
  size_t take(size_t size, net::Clock::time_point now) {
    const auto come = (now - counted_) / kSlice;
    counted_ += come * kSlice;
    slices_ = std::min<uint64_t>(slices_ + static_cast<uint64_t>(come), 20);
    const uint64_t used = std::min<uint64_t>(slices_, size / slice_ + (size % slice_ != 0));
    slices_ -= used;
    return used >= size / slice_ + (size % slice_ != 0) ? size : used * slice_;
  }
  net::Clock::duration until_next(net::Clock::time_point now) const { return counted_ + kSlice - now; }

 private:
  uint64_t slice_;
  uint64_t slices_ = 1;
  net::Clock::time_point counted_;
};

}  // namespace proxy
