// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "net/loop.h"

namespace proxy {

class Process;

// SIGTERM and SIGINT end the process: gracefully at first, at once the second
// time. SIGUSR1 opens the access logs anew, SIGHUP does nothing. To be made before any thread, which
// then leaves these signals to it.
class Signals final : private net::IoHandler {
 public:
  explicit Signals(net::Loop& loop);
  ~Signals();
  Signals(const Signals&) = delete;

  void serve(Process& process);

 private:
  void on_io(uint32_t) override;
  static net::Task<void> end(net::Loop& loop, Process& process);

  net::Loop& loop_;
  Process* process_ = nullptr;
  int fd_ = -1;
  bool ending_ = false;
};

}  // namespace proxy
