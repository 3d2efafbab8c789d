// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "net/address.h"
#include "net/loop.h"

namespace proxy {

class Process;

// How a running proxy is replaced by another program file without a lost
// connection (Envoy's hot restart): the successor, started with the next epoch,
// takes the listening sockets over a Unix socket, and once it serves tells its
// predecessor to drain. Both accept meanwhile, from the same queues. Main thread.
//
// A successor that ends before it says "drain" leaves everything as it was: the
// predecessor takes its admin port up again.
//
// Only processes of the same user are answered. The names are in the abstract
// space of the network namespace: "@seine-proxy-<base id>-<epoch>".
class Handover final : private net::IoHandler {
 public:
  struct Options {
    uint32_t base_id = 0;
    uint32_t epoch = 0;
    std::chrono::seconds parent_shutdown{900};  // from draining to the end of the predecessor
  };
  // With an epoch above 0 the predecessor must be there: it gives its sockets
  // and closes its admin port. Where another process has the name of this
  // epoch, there is no handing over from here on: that is logged.
  static base::Result<std::unique_ptr<Handover>> make(net::Loop& loop, Options options);
  ~Handover();
  Handover(const Handover&) = delete;

  // Sockets of that address, once.
  std::vector<int> take(const net::Address& address);
  // From here on the process serves: a successor may come. `on_end`: this one is to end.
  void serve(Process& process, std::function<void()> on_end);
  // Everything that this process listens for is served: the predecessor drains.
  void ready();

 private:
  struct Successor;
  Handover(net::Loop& loop, Options options);
  base::Result<void> connect_to_predecessor();
  base::Result<void> take_sockets();
  void listen();
  void end_predecessor();
  void on_io(uint32_t) override;
  void obey(std::string_view command);
  void lose_successor();
  static net::Task<void> drain(net::Loop& loop, Process& process, std::shared_ptr<bool> terminate,
                               std::function<void()> on_end);

  net::Loop& loop_;
  const Options options_;
  net::Timer shutdown_;
  int predecessor_ = -1, listening_ = -1;
  std::vector<std::pair<net::Address, int>> given_;
  std::unique_ptr<Successor> successor_;
  Process* process_ = nullptr;
  std::function<void()> on_end_;
  std::shared_ptr<bool> terminate_ = std::make_shared<bool>(false);
  bool draining_ = false;
  std::optional<std::chrono::steady_clock::time_point> since_;  // the first of the processes before
};

}  // namespace proxy
