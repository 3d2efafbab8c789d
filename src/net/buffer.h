// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>
#include <utility>

namespace net {

// Bytes in a row: appended at the back, consumed from the front, always one
// contiguous view. Its block comes from a cache that each thread keeps, so a
// connection at rest holds no block and a busy one allocates nothing. Stay on
// one thread. Views end at the next call that appends.
class Buffer {
 public:
  static constexpr size_t kSmallBlock = 16 * 1024;
  static constexpr size_t kLargeBlock = 64 * 1024;

  Buffer() = default;
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Buffer() { free_block(); }

  size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  const char* data() const { return block_ + begin_; }
  char* data() { return block_ + begin_; }
  std::string_view view() const { return {block_ + begin_, end_ - begin_}; }

  // Room for at least `size` more bytes: write there, then commit what was written.
  char* prepare(size_t size) {
    if (capacity_ - end_ < size) make_room(size);
    return block_ + end_;
  }
  size_t room() const { return capacity_ - end_; }
  void commit(size_t size) { end_ += size; }

  void append(std::string_view bytes) {
    if (bytes.empty()) return;
    std::memcpy(prepare(bytes.size()), bytes.data(), bytes.size());
    end_ += bytes.size();
  }
  void append(char byte) {
    *prepare(1) = byte;
    ++end_;
  }
  // All of the other's bytes, without a copy where this one is empty.
  void append(Buffer&& other) {
    if (empty()) {
      clear();
      swap(other);
    } else {
      append(other.view());
      other.clear();
    }
  }

  void consume(size_t size) {
    begin_ += size;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  void clear() { begin_ = end_ = 0; }

  // Gives the block back if there is nothing in it.
  void recycle() {
    if (begin_ == end_ && block_) free_block();
  }

  void swap(Buffer& other) noexcept {
    std::swap(block_, other.block_);
    std::swap(capacity_, other.capacity_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
  }

 private:
  void make_room(size_t size);
  void free_block();

  char* block_ = nullptr;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace net
