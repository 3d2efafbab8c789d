// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>

#include "http/h2.h"
#include "net/loop.h"
#include "proxy/upstream/cluster_config.h"

namespace proxy {

class Worker;

// Asks the peer of an HTTP/2 connection from time to time whether it is still
// there (connection_keepalive). Owned by what owns the connection.
class Pings {
 public:
  // The owner flushes the session's output in `sent`, and closes the connection in `lost`: no answer came in time.
  Pings(Worker& worker, http::h2::Session& session, const Http2Options& options, std::function<void()> sent,
        std::function<void()> lost);

  void ping();  // now, if none is on its way
  void on_ack(uint64_t payload);
  void stop() { timer_.cancel(); }

 private:
  void rest();  // until the next one
  void on_timer();

  Worker& worker_;
  http::h2::Session& session_;
  const Http2Options options_;
  std::function<void()> sent_, lost_;
  net::Timer timer_;
  uint64_t last_ = 0;
  bool out_ = false;  // not answered yet
};

}  // namespace proxy
