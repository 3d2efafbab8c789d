// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "net/buffer.h"

namespace proxy {

class Filter;

// The way of one body through the filters that watch it: a stage for each, in
// the order of passage. Empty for nearly all streams.
struct BodyPath {
  static constexpr size_t kNowhere = static_cast<size_t>(-1);

  struct Stage {
    const Filter* filter = nullptr;
    net::Buffer bytes;   // in front of the filter
    bool fresh = false;  // something came since it was last asked
    bool gathering = false;
    bool resumed = false;  // what is there goes on unasked
  };

  bool empty() const { return stages.empty(); }
  // What nobody gathers waits for somebody slow: the sender should wait too.
  bool backed_up(size_t limit) const {
    size_t waiting = 0;
    for (const Stage& stage : stages)
      if (!stage.gathering) waiting += stage.bytes.size();
    return waiting > limit;
  }
  void clear() {
    stages.clear();
    end_at = kNowhere;
    trailers = moving = again = false;
  }

  std::vector<Stage> stages;
  size_t end_at = kNowhere;  // the stage that the body's end stands in front of
  bool trailers = false;     // which it ends with
  bool moving = false;       // bytes are being passed on, further up the stack
  bool again = false;
};

}  // namespace proxy
