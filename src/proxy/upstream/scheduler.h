// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace proxy {

// Earliest deadline first: whoever is picked comes back after 1/weight, so each
// is picked in proportion to its weight and evenly over time, also where
// weights change from pick to pick. Items are indices.
class Scheduler {
 public:
  bool empty() const { return heap_.empty(); }
  void clear() {
    heap_.clear();
    now_ = 0;
  }
  void add(uint32_t item, double weight) {
    heap_.push_back({now_ + 1 / weight, order_++, item});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  // Whose turn it is; weight_of(item) is its weight from here on.
  template <typename WeightOf>
  uint32_t pick(WeightOf weight_of) {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Turn turn = heap_.back();
    heap_.pop_back();
    now_ = turn.deadline;
    add(turn.item, weight_of(turn.item));
    return turn.item;
  }

 private:
  struct Turn {
    double deadline;
    uint64_t order;  // of equals the one that waits longest
    uint32_t item;
  };
  static bool later(const Turn& a, const Turn& b) {
    return a.deadline != b.deadline ? a.deadline > b.deadline : a.order > b.order;
  }
  std::vector<Turn> heap_;
  double now_ = 0;
  uint64_t order_ = 0;
};

}  // namespace proxy
