// SPDX-License-Identifier: Apache-2.0
#include "http/hpack.h"

#include <algorithm>
#include <cstring>

#include "http/hpack_tables.h"

namespace http::hpack {

DynamicTable::DynamicTable(uint32_t capacity) : capacity_(capacity) {}

DynamicTable::Field DynamicTable::operator[](size_t age) const {
  const Entry& found = entry(age);
  const char* at = bytes_.data() + found.at;
  return {{at, found.name_size}, {at + found.name_size, found.value_size}};
}

void DynamicTable::evict_until(uint32_t limit) {
  while (size_ > limit) {
    const Entry& oldest = entry(--count_);
    size_ -= oldest.name_size + oldest.value_size + kEntryOverhead;
    dead_bytes_ += oldest.name_size + oldest.value_size;
  }
  if (count_ == 0) {
    bytes_.clear();
    dead_bytes_ = 0;
  }
}

void DynamicTable::set_capacity(uint32_t capacity) {
  capacity_ = capacity;
  evict_until(capacity);
}

void DynamicTable::grow_entries() {
  std::vector<Entry> larger(std::max<size_t>(16, entries_.size() * 2));
  for (size_t age = 0; age < count_; ++age) larger[count_ - 1 - age] = entry(age);
  entries_ = std::move(larger);
  newest_ = count_ - 1;  // wraps where empty: the next one is 0
}

void DynamicTable::drop_dead_bytes() {
  bytes_.erase(0, dead_bytes_);
  for (size_t age = 0; age < count_; ++age)
    entries_[(newest_ - age) & (entries_.size() - 1)].at -= static_cast<uint32_t>(dead_bytes_);
  dead_bytes_ = 0;
}

void DynamicTable::add(std::string_view name, std::string_view value) {
  uint64_t needed = name.size() + value.size() + kEntryOverhead;
  if (needed > capacity_) return evict_until(0);  // section 4.4: not an error
  evict_until(capacity_ - static_cast<uint32_t>(needed));
  if (dead_bytes_ > capacity_) drop_dead_bytes();
  if (count_ == entries_.size()) grow_entries();
  newest_ = (newest_ + 1) & (entries_.size() - 1);
  entries_[newest_] = {static_cast<uint32_t>(bytes_.size()), static_cast<uint32_t>(name.size()),
                       static_cast<uint32_t>(value.size())};
  bytes_.append(name);
  bytes_.append(value);
  size_ += static_cast<uint32_t>(needed);
  ++count_;
  ++inserted_;
}

void Decoder::begin(std::string_view block) {
  at_ = reinterpret_cast<const uint8_t*>(block.data());
  end_ = at_ + block.size();
  fields_begun_ = false;
}

// Section 5.1. Values beyond 28 bits have no use here and are refused.
bool Decoder::read_integer(uint8_t prefix_bits, uint32_t& out) {
  uint32_t mask = (1u << prefix_bits) - 1;
  uint32_t value = *at_++ & mask;
  if (value == mask) {
    for (unsigned shift = 0;; shift += 7) {
      if (at_ == end_ || shift > 21) return false;
      uint8_t byte = *at_++;
      value += static_cast<uint32_t>(byte & 0x7f) << shift;
      if (!(byte & 0x80)) break;
    }
  }
  out = value;
  return true;
}

bool Decoder::read_string(std::string& scratch, std::string_view& out) {
  if (at_ == end_) return false;
  bool huffman = *at_ & 0x80;
  uint32_t size = 0;
  if (!read_integer(7, size) || size > static_cast<size_t>(end_ - at_)) return false;
  std::string_view raw(reinterpret_cast<const char*>(at_), size);
  at_ += size;
  if (!huffman) {
    out = raw;
    return size <= max_string_;
  }
  scratch.clear();
  if (!huffman_decode(raw, max_string_, scratch)) return false;
  out = scratch;
  return true;
}

bool Decoder::indexed(uint32_t index, std::string_view& name, std::string_view& value) const {
  if (index == 0 || index > kStaticCount + table_.count()) return false;
  DynamicTable::Field field = index <= kStaticCount ? kStatic[index - 1] : table_[index - kStaticCount - 1];
  name = field.name;
  value = field.value;
  return true;
}

Decoder::Step Decoder::literal(uint8_t prefix_bits, bool index) {
  uint32_t name_index = 0;
  if (!read_integer(prefix_bits, name_index)) return Step::Error;
  if (name_index == 0) {
    if (!read_string(name_scratch_, name_)) return Step::Error;
  } else {
    std::string_view unused;
    if (!indexed(name_index, name_, unused)) return Step::Error;
    if (index && name_index > kStaticCount) {  // its entry may be evicted by the new one
      name_scratch_.assign(name_);
      name_ = name_scratch_;
    }
  }
  if (!read_string(value_scratch_, value_)) return Step::Error;
  if (index) table_.add(name_, value_);
  return Step::Field;
}

Decoder::Step Decoder::next() {
  while (at_ != end_) {
    uint8_t first = *at_;
    if (first & 0x80) {
      fields_begun_ = true;
      uint32_t index = 0;
      return read_integer(7, index) && indexed(index, name_, value_) ? Step::Field : Step::Error;
    }
    if (first & 0x40) {
      fields_begun_ = true;
      return literal(6, true);
    }
    if (first & 0x20) {
      uint32_t size = 0;
      if (fields_begun_ || !read_integer(5, size) || size > table_limit_) return Step::Error;
      table_.set_capacity(size);
      continue;
    }
    fields_begun_ = true;
    return literal(4, false);
  }
  return Step::Done;
}

}  // namespace http::hpack
