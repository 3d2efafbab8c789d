// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "net/connection.h"
#include "proxy/runtime/worker.h"

namespace proxy {

struct RelayEnd {
  uint64_t received = 0;  // from downstream
  uint64_t sent = 0;      // to downstream
};

// Copies bytes between two connections both ways until both ends are through,
// with back-pressure; what lies in their input buffers goes first. Lives on its
// own; `ended` is called once.
void start_relay(Worker& worker, std::unique_ptr<net::Connection> downstream, std::unique_ptr<net::Connection> upstream,
                 std::move_only_function<void(const RelayEnd&)> ended);

}  // namespace proxy
