// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>
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
    bool resumed = false;   // what is there goes on unasked
    bool for_room = false;  // not asked until little stands behind it
  };

  bool empty() const { return stages.empty(); }
  // What nobody gathers waits for somebody slow: the sender should wait too.
  bool backed_up(size_t limit) const {
    size_t waiting = 0;
    for (const Stage& stage : stages)
      if (!stage.gathering) waiting += stage.bytes.size();
    return waiting > limit;
  }
  bool ends_at(const Filter* filter) const { return !empty() && stages.back().filter == filter; }
  // The filter watches from here on; `waiting` came before anybody did, and was all of the body if `ended`.
  void watch(const Filter* filter, net::Buffer& waiting, bool ended, bool with_trailers) {
    Stage& stage = stages.emplace_back();
    stage.filter = filter;
    stage.bytes.swap(waiting);
    stage.fresh = !stage.bytes.empty() || ended;
    if (!ended) return;
    end_at = stages.size() - 1;
    trailers = with_trailers;
  }
  void receive(std::string_view bytes, bool ended, bool with_trailers) {
    Stage& first = stages.front();
    first.bytes.append(bytes);
    first.fresh = true;
    if (!ended) return;
    end_at = 0;
    trailers = with_trailers;
  }
  // The stage's filter is asked again, or passed by without being asked.
  void wake(const Filter& filter, bool unasked) {
    for (Stage& stage : stages) {
      if (stage.filter != &filter) continue;
      stage.fresh = true;
      stage.resumed |= unasked;
    }
  }
  // As wake(), where something stands in front of the filter.
  void resume(const Filter* filter) {
    for (size_t i = 0; i < stages.size(); ++i)
      if (stages[i].filter == filter && (!stages[i].bytes.empty() || end_at == i))
        stages[i].fresh = stages[i].resumed = true;
  }
  // Little waits behind the path, `beyond` in all: the last stage that waited for that is to be asked again.
  bool give_room(size_t beyond, size_t limit) {
    for (size_t i = stages.size(); i-- > 0 && beyond <= limit;) {
      if (std::exchange(stages[i].for_room, false)) return stages[i].fresh = true;
      if (!stages[i].gathering) beyond += stages[i].bytes.size();
    }
    return false;
  }
  // Calls ask(stage) for each stage with something new, until none has; false where one said false, or while an outer
  // call is at it, which then goes on.
  template <typename Ask>
  bool move(Ask ask) {
    again = true;
    if (moving) return false;
    moving = true;
    while (std::exchange(again, false))
      for (size_t i = 0; i < stages.size(); ++i)
        if (stages[i].fresh && !ask(i)) return moving = false;
    moving = false;
    return true;
  }
  // What the stage's filter holds back; false: so much that it must not gather more.
  bool hold(size_t i, net::Buffer& bytes, bool gather, size_t limit) {
    Stage& stage = stages[i];
    stage.bytes.swap(bytes);
    stage.gathering = gather;
    return !gather || stage.bytes.size() <= limit;
  }
  // Passes on what the stage's filter let go; false where it was the last, and the bytes are the caller's.
  bool hand_on(size_t i, net::Buffer& bytes, bool end) {
    if (end) end_at = i + 1;
    if (i + 1 == stages.size()) return false;
    stages[i + 1].bytes.append(std::move(bytes));
    stages[i + 1].fresh = true;
    return true;
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
