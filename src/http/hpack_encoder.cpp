// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "http/hpack.h"
#include "http/hpack_tables.h"

namespace http::hpack {

namespace {

// Not against chosen input: a collision costs a literal, nothing else.
uint32_t hash_of(std::string_view text, uint32_t seed) {
  uint64_t hash = seed ^ (text.size() * 0x9e3779b97f4a7c15u);
  const char* p = text.data();
  size_t left = text.size();
  for (; left >= 8; p += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    hash = (hash ^ word) * 0xff51afd7ed558ccdu;
    hash ^= hash >> 32;
  }
  uint64_t word = 0;
  if (left) std::memcpy(&word, p, left);
  hash = (hash ^ word) * 0xff51afd7ed558ccdu;
  hash ^= hash >> 32;
  return static_cast<uint32_t>(hash) | 1;  // never 0
}

constexpr uint32_t kNameSeed = 0x5e1e;

// Name -> index of its first static entry; entries of one name stand together.
struct StaticNames {
  static constexpr size_t kSize = 256;
  uint8_t index[kSize] = {};
  StaticNames() {
    for (uint32_t i = kStaticCount; i > 0; --i) {
      size_t at = hash_of(kStatic[i - 1].name, kNameSeed) % kSize;
      while (index[at] && kStatic[index[at] - 1].name != kStatic[i - 1].name) at = (at + 1) % kSize;
      index[at] = static_cast<uint8_t>(i);
    }
  }
  uint32_t find(uint32_t hash, std::string_view name) const {
    for (size_t at = hash % kSize; index[at]; at = (at + 1) % kSize)
      if (kStatic[index[at] - 1].name == name) return index[at];
    return 0;
  }
};
const StaticNames kStaticNames;

bool is_secret(std::string_view name) {
  switch (name.size()) {
    case 6:
      return name == "cookie";
    case 10:
      return name == "set-cookie";
    case 13:
      return name == "authorization";
    case 19:
      return name == "proxy-authorization";
    default:
      return false;
  }
}

char* put_integer(char* at, uint8_t first, uint8_t prefix_bits, size_t value) {
  size_t mask = (1u << prefix_bits) - 1;
  if (value < mask) {
    *at++ = static_cast<char>(first | value);
    return at;
  }
  *at++ = static_cast<char>(first | mask);
  for (value -= mask; value >= 0x80; value >>= 7) *at++ = static_cast<char>(value | 0x80);
  *at++ = static_cast<char>(value);
  return at;
}

void put_integer(net::Buffer& out, uint8_t first, uint8_t prefix_bits, size_t value) {
  char* begin = out.prepare(12);
  out.commit(static_cast<size_t>(put_integer(begin, first, prefix_bits, value) - begin));
}

void put_string(net::Buffer& out, std::string_view text, bool plain) {
  size_t coded = plain ? text.size() : huffman_size(text);
  if (coded < text.size()) {
    put_integer(out, 0x80, 7, coded);
    huffman_encode(out, text);
  } else {
    put_integer(out, 0, 7, text.size());
    out.append(text);
  }
}

}  // namespace

void Encoder::set_table_size(uint32_t size) {
  size = std::min(size, kDefaultTableSize);
  if (size == table_.capacity()) return;
  smallest_size_ = size_pending_ ? std::min(smallest_size_, size) : size;
  size_pending_ = true;
  table_.set_capacity(size);
}

void Encoder::begin(net::Buffer& out) {
  if (!size_pending_) return;
  size_pending_ = false;
  if (smallest_size_ < table_.capacity()) put_integer(out, 0x20, 5, smallest_size_);
  put_integer(out, 0x20, 5, table_.capacity());
}

// Where the slot's insertion stands now, if it is still in the table.
bool Encoder::age_of(uint32_t hash, size_t& age) const {
  const Slot& slot = slots_[hash / 2 % kSlots];
  if (slot.hash != hash || slot.serial == 0) return false;
  age = static_cast<size_t>(table_.inserted() - slot.serial);
  return age < table_.count();
}

bool Encoder::met_before(uint32_t hash) {
  uint32_t& met = met_[hash / 2 % kMet];
  if (met == hash) return true;
  met = hash;
  return false;
}

bool Encoder::reference(net::Buffer& out, std::string_view name, std::string_view value) {
  if (slots_.empty()) {
    slots_.resize(kSlots);
    met_.resize(kMet);
  }
  name_hash_ = hash_of(name, kNameSeed);
  field_hash_ = hash_of(value, name_hash_);
  size_t age = 0;
  if (!age_of(field_hash_, age)) return false;
  DynamicTable::Field known = table_[age];  // secrets are never in there
  if (known.name != name || known.value != value) return false;
  put_integer(out, 0x80, 7, kStaticCount + 1 + age);
  return true;
}

void Encoder::literal(net::Buffer& out, std::string_view name, std::string_view value) {
  const uint32_t name_hash = name_hash_, field_hash = field_hash_;
  const bool secret = is_secret(name);
  size_t age = 0;
  uint32_t name_index = kStaticNames.find(name_hash, name);
  if (name_index) {
    for (uint32_t i = name_index; i <= kStaticCount && kStatic[i - 1].name == name; ++i)
      if (kStatic[i - 1].value == value && (i < 15 || !value.empty())) return put_integer(out, 0x80, 7, i);
  } else if (age_of(name_hash, age) && table_[age].name == name) {
    name_index = static_cast<uint32_t>(kStaticCount + 1 + age);
  }

  bool fits = (name.size() + value.size() + kEntryOverhead) * 2 <= table_.capacity();
  bool index = !secret && fits && (name_index == 0 || met_before(field_hash));
  if (index) {
    put_integer(out, 0x40, 6, name_index);
  } else {
    put_integer(out, secret ? 0x10 : 0x00, 4, name_index);
  }
  if (name_index == 0) put_string(out, name, plain_);
  put_string(out, value, plain_);
  if (!index) return;
  table_.add(name, value);
  slots_[field_hash / 2 % kSlots] = {field_hash, table_.inserted()};
  slots_[name_hash / 2 % kSlots] = {name_hash, table_.inserted()};
}

}  // namespace http::hpack
