// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <utility>

namespace localkube {

// How long to wait before a process that ended is started again: not at all
// after a good while of work, longer and longer for one that cannot start.
class RestartDelay {
 public:
  using Milliseconds = std::chrono::milliseconds;
  static constexpr std::chrono::seconds kGoodWhile{5};

  explicit RestartDelay(Milliseconds most) : most_(most) {}

  // `life`: how long the process ran that has just ended.
  Milliseconds after(std::chrono::steady_clock::duration life) {
    if (life >= kGoodWhile) {
      next_ = kFirst;
      return Milliseconds(0);
    }
    return std::min(std::exchange(next_, std::min(next_ * 2, most_)), most_);
  }

 private:
  static constexpr Milliseconds kFirst{50};
  const Milliseconds most_;
  Milliseconds next_ = kFirst;
};

}  // namespace localkube
