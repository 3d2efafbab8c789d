// SPDX-License-Identifier: Apache-2.0
#include "http/h2_streams.h"

namespace http::h2 {

OpenStream& StreamTable::add(StreamId id) {
  if ((size_ + 1) * 2 > places_.size()) grow();
  OpenStream* stream;
  if (free_.empty()) {
    stream = &pool_.emplace_back();
  } else {
    stream = free_.back();
    free_.pop_back();
  }
  *stream = OpenStream{};
  stream->id = id;
  size_t at = home(id);
  while (places_[at]) at = (at + 1) & (places_.size() - 1);
  places_[at] = stream;
  ++size_;
  return *stream;
}

void StreamTable::remove(StreamId id) {
  if (size_ == 0) return;
  size_t mask = places_.size() - 1;
  size_t at = home(id);
  while (places_[at] && places_[at]->id != id) at = (at + 1) & mask;
  if (!places_[at]) return;
  free_.push_back(places_[at]);
  --size_;
  // Move back those behind that would not be found across the gap.
  size_t gap = at;
  for (at = (at + 1) & mask; places_[at]; at = (at + 1) & mask) {
    if (((at - home(places_[at]->id)) & mask) < ((at - gap) & mask)) continue;
    places_[gap] = places_[at];
    gap = at;
  }
  places_[gap] = nullptr;
}

void StreamTable::grow() {
  std::vector<OpenStream*> old(std::max<size_t>(16, places_.size() * 2));
  old.swap(places_);
  for (OpenStream* stream : old) {
    if (!stream) continue;
    size_t at = home(stream->id);
    while (places_[at]) at = (at + 1) & (places_.size() - 1);
    places_[at] = stream;
  }
}

}  // namespace http::h2
