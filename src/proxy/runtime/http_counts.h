// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "telemetry/metrics.h"

namespace proxy {

// What one worker counted of the connections and requests under one listener
// and HTTP connection manager (by its stat_prefix).
struct HttpCounts {
  std::string listener;  // "127.0.0.1_8080"
  std::string prefix;    // stat_prefix
  uint64_t connections = 0, connections_ended = 0, connections_tls = 0, connections_http1 = 0, connections_http2 = 0,
           connections_too_old = 0, connections_of_most_requests = 0, connections_drained = 0;
  uint64_t requests = 0, requests_http1 = 0, requests_http2 = 0, completed = 0, reset = 0, timed_out = 0, too_long = 0,
           idle = 0, early_responses = 0, upgrades = 0, no_route = 0, no_cluster = 0, redirects = 0,
           direct_responses = 0, bad_paths = 0, overloaded = 0, head_timeouts = 0;
  uint64_t protocol_errors = 0, connections_idle = 0, wire_received = 0, wire_sent = 0;  // of connections
  uint64_t bytes_received = 0, bytes_sent = 0;                                           // of bodies
  uint64_t by_class[6] = {};                                                             // by_class[2]: 2xx
  uint32_t requests_active = 0, active_http1 = 0, active_http2 = 0;                      // these two: connections
  telemetry::Histogram duration, length;  // of requests and of connections, milliseconds

  void collect(telemetry::Scrape& scrape) const;
};

// One connection among the counts of its listener, for as long as it lives. A copy counts nothing.
class ConnectionCount {
 public:
  ConnectionCount() = default;
  ConnectionCount(const ConnectionCount& other) : counts_(other.counts_) {}
  ConnectionCount& operator=(const ConnectionCount&) = delete;
  ~ConnectionCount() {
    if (!counted_) return;
    ++counts_->connections_ended;
    if (active_) --*active_;
    counts_->length.observe(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began_).count());
  }

  void begin(HttpCounts& counts, bool tls) {
    counts_ = &counts;
    counted_ = true;
    began_ = std::chrono::steady_clock::now();
    ++counts.connections;
    if (tls) ++counts.connections_tls;
  }
  // What it speaks is known.
  void speaks(bool http2) {
    ++(http2 ? counts_->connections_http2 : counts_->connections_http1);
    active_ = http2 ? &counts_->active_http2 : &counts_->active_http1;
    ++*active_;
  }
  HttpCounts* operator->() const { return counts_; }
  // All that the connection has carried by now.
  void carried(uint64_t received, uint64_t sent) {
    counts_->wire_received += received - std::exchange(received_, received);
    counts_->wire_sent += sent - std::exchange(sent_, sent);
  }

 private:
  HttpCounts* counts_ = nullptr;  // the worker's
  uint32_t* active_ = nullptr;    // of its protocol
  bool counted_ = false;
  std::chrono::steady_clock::time_point began_{};
  uint64_t received_ = 0, sent_ = 0;
};

}  // namespace proxy
