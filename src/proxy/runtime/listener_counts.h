// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "net/tls.h"
#include "telemetry/metrics.h"

namespace proxy {

// What one worker saw of TLS, on one side of one listener or cluster.
struct TlsCounts {
  uint64_t handshakes = 0, errors = 0, no_certificate = 0, resumed = 0;
  uint64_t missing_certificates = 0, chain_failures = 0, hash_failures = 0, san_failures = 0;
  std::vector<std::pair<const char*, uint64_t>> versions, ciphers, groups;  // by TlsPeer's static texts

  void handshake(const net::TlsPeer& peer);
  void failed(net::TlsFailure what);
  // `scope`: "listener.{envoy_listener_address}.", whose value `whose` is.
  void collect(telemetry::Scrape& scrape, const std::string& scope, std::string_view whose) const;
};

// What one worker counted of the connections of one listener.
struct ListenerCounts {
  std::string listener;  // "127.0.0.1_8080", or its stat_prefix
  uint64_t connections = 0, ended = 0, no_chain = 0, over_limit = 0, over_global_limit = 0, overload = 0,
           inspected_too_long = 0, header_errors = 0;
  uint32_t waiting = 0;  // for what tells their filter chain
  TlsCounts tls;
  telemetry::Histogram length;  // milliseconds

  void collect(telemetry::Scrape& scrape, const std::string& worker) const;
};

// One connection among the counts of its listener. A copy counts nothing.
class ListenerCount {
 public:
  ListenerCount() = default;
  ListenerCount(const ListenerCount&) {}
  ListenerCount& operator=(const ListenerCount&) = delete;
  ~ListenerCount() { end(); }

  void begin(ListenerCounts& counts, std::chrono::steady_clock::time_point now) {
    end();
    counts_ = &counts;
    began_ = now;
    ++counts.connections;
  }
  ListenerCounts* operator->() const { return counts_; }

 private:
  void end() {
    if (!counts_) return;
    ++counts_->ended;
    counts_->length.observe(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began_).count());
  }
  ListenerCounts* counts_ = nullptr;  // the worker's
  std::chrono::steady_clock::time_point began_{};
};

// What one worker counted of the TCP connections under one stat_prefix.
struct TcpCounts {
  std::string prefix;
  uint64_t connections = 0, no_route = 0, received = 0, sent = 0, idle = 0, too_long = 0;

  void collect(telemetry::Scrape& scrape) const;
};

}  // namespace proxy
