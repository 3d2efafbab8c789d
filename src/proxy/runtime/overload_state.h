// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

namespace proxy {

// What the overload manager tells the workers: of each action the share of
// cases that it takes, from 0 to kAll. Written by the main thread.
struct OverloadState {
  static constexpr uint32_t kAll = UINT32_MAX;
  std::atomic<uint32_t> stop_requests{0}, close_connections{0}, reject_connections{0};

  // `roll` is a die's.
  static bool takes(const std::atomic<uint32_t>& share, uint32_t roll) {
    const uint32_t now = share.load(std::memory_order_relaxed);
    return now && (now == kAll || roll < now);
  }
};

}  // namespace proxy
