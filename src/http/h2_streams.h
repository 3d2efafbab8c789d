// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <vector>

#include "http/h2.h"

namespace http::h2 {

// What the session knows of an open stream.
struct OpenStream : Stream {
  int64_t send_window = 0;
  int64_t receive_window = 0;
  uint32_t unconsumed = 0;      // received and not yet given back by consumed()
  uint32_t window_to_give = 0;  // consumed and not yet told to the peer
  uint64_t body_received = 0;
  uint64_t body_promised = 0;  // by content-length
  Session::Time opened_at{};
  bool has_length = false;
  bool answers_head = false;   // client: the request was HEAD
  bool head_received = false;  // the final one
  bool remote_ended = false;
  bool local_ended = false;
  bool waiting = false;  // wants on_writable
};

// The open streams of a connection: a pool whose places are used again, and a
// hash from id to place (linear probing; ids count up, so they rarely meet).
// Addresses stay valid until the stream is removed.
class StreamTable {
 public:
  OpenStream& add(StreamId id);
  void remove(StreamId id);
  OpenStream* find(StreamId id);
  size_t size() const { return size_; }

  template <typename Use>
  void each(Use use) {
    for (OpenStream* stream : places_)
      if (stream) use(*stream);
  }

 private:
  size_t home(StreamId id) const { return id / 2 & (places_.size() - 1); }
  void grow();

  std::vector<OpenStream*> places_;  // a power of two, at most half full
  size_t size_ = 0;
  std::deque<OpenStream> pool_;
  std::vector<OpenStream*> free_;
};

inline OpenStream* StreamTable::find(StreamId id) {
  if (size_ == 0) return nullptr;
  for (size_t at = home(id); places_[at]; at = (at + 1) & (places_.size() - 1))
    if (places_[at]->id == id) return places_[at];
  return nullptr;
}

// Streams that ended lately, to tell a late frame from one that was never due.
class ClosedStreams {
 public:
  enum class How : uint8_t { Unknown, Ended, ResetByPeer, ResetByUs };

  void add(StreamId id, How how) {
    if (entries_.empty()) entries_.resize(kSize);
    entries_[id / 2 % kSize] = {id, how};
  }
  How find(StreamId id) const {
    if (entries_.empty() || entries_[id / 2 % kSize].id != id) return How::Unknown;
    return entries_[id / 2 % kSize].how;
  }

 private:
  static constexpr size_t kSize = 128;
  struct Entry {
    StreamId id = 0;
    How how = How::Unknown;
  };
  std::vector<Entry> entries_;
};

}  // namespace http::h2
