// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <initializer_list>

#include "localkube/process/fd.h"
#include "net/loop.h"

namespace localkube {

// Signals as events of a loop. They stay blocked for the process from here on;
// children unblock theirs before they start a program (unblock_signals).
class SignalWatch final : private net::IoHandler {
 public:
  SignalWatch(net::Loop& loop, std::initializer_list<int> signals, std::function<void(int)> call);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;

 private:
  void on_io(uint32_t events) override;
  net::Loop& loop_;
  Fd fd_;
  std::function<void(int)> call_;
};

void block_all_signals();
void unblock_signals();  // and default actions for those that servers ignore

}  // namespace localkube
