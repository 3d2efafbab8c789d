// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "net/connection.h"
#include "proxy/listener/listener_config.h"
#include "proxy/runtime/worker.h"

namespace proxy {

struct RelayEnd {
  enum class Why : uint8_t { Done, Idle, Duration, Drained, UpstreamReset };
  uint64_t received = 0;  // from downstream
  uint64_t sent = 0;      // to downstream
  Why why = Why::Done;
  bool final = true;  // otherwise it goes on, and this is how far it is
  bool begins = false;
};

struct RelayOptions {
  std::chrono::milliseconds idle{3'600'000};              // without a byte either way; 0: none
  net::Clock::time_point deadline{};                      // none: the default
  std::chrono::milliseconds report_every{0};              // 0: at the end only
  std::shared_ptr<const FilterChain> chain;               // what it was accepted under, if anything
  std::move_only_function<bool()> lost;                   // asked once a second: whether one side is to be given up
  std::move_only_function<void(const RelayEnd&)> report;  // at the end, exactly once, and between where asked for
};

// Copies bytes between two connections both ways until both ends are through,
// with back-pressure; what lies in their input buffers goes first. Lives on its
// own. Where both are in clear text and much is copied, the kernel does it
// (splice), without a look at the bytes.
void start_relay(Worker& worker, std::unique_ptr<net::Connection> downstream, std::unique_ptr<net::Connection> upstream,
                 RelayOptions options);

}  // namespace proxy
