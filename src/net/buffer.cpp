// SPDX-License-Identifier: Apache-2.0
#include "net/buffer.h"

#include <cstdlib>
#include <vector>

namespace net {
namespace {

// Free blocks of the two usual sizes, the last used first: it is warm in the
// processor's cache.
struct Blocks {
  std::vector<char*> small, large;
  static constexpr size_t kMostSmall = 64, kMostLarge = 16;

  ~Blocks() {
    for (char* block : small) std::free(block);
    for (char* block : large) std::free(block);
  }
};
thread_local Blocks blocks;

char* take(size_t size) {
  std::vector<char*>* cache = size == Buffer::kSmallBlock   ? &blocks.small
                              : size == Buffer::kLargeBlock ? &blocks.large
                                                            : nullptr;
  if (cache && !cache->empty()) {
    char* block = cache->back();
    cache->pop_back();
    return block;
  }
  auto* block = static_cast<char*>(std::malloc(size));
  if (!block) std::abort();
  return block;
}

void give_back(char* block, size_t size) {
  if (size == Buffer::kSmallBlock && blocks.small.size() < Blocks::kMostSmall) {
    blocks.small.push_back(block);
  } else if (size == Buffer::kLargeBlock && blocks.large.size() < Blocks::kMostLarge) {
    blocks.large.push_back(block);
  } else {
    std::free(block);
  }
}

}  // namespace

void Buffer::make_room(size_t more) {
  const size_t used = size();
  // Moving to the front pays only where at least half of the block was consumed.
  if (block_ && used + more <= capacity_ && begin_ >= used) {
    std::memcpy(block_, block_ + begin_, used);
    begin_ = 0;
    end_ = used;
    return;
  }
  size_t wanted = used + more;
  if (wanted <= kSmallBlock && capacity_ < kSmallBlock) {
    wanted = kSmallBlock;
  } else if (wanted <= kLargeBlock) {
    wanted = kLargeBlock;
  } else {
    wanted = wanted < 2 * capacity_ ? 2 * capacity_ : (wanted + kSmallBlock - 1) / kSmallBlock * kSmallBlock;
  }
  char* block = take(wanted);
  if (used) std::memcpy(block, block_ + begin_, used);
  if (block_) give_back(block_, capacity_);
  block_ = block;
  capacity_ = wanted;
  begin_ = 0;
  end_ = used;
}

void Buffer::free_block() {
  if (block_) give_back(block_, capacity_);
  block_ = nullptr;
  capacity_ = begin_ = end_ = 0;
}

}  // namespace net
