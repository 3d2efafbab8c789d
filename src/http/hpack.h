// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "net/buffer.h"

// HPACK (RFC 7541).
namespace http::hpack {

inline constexpr uint32_t kDefaultTableSize = 4096;
inline constexpr uint32_t kEntryOverhead = 32;  // section 4.1

// Field lines by age, the newest first. Sizes as in section 4.
class DynamicTable {
 public:
  struct Field {
    std::string_view name;
    std::string_view value;
  };

  explicit DynamicTable(uint32_t capacity = kDefaultTableSize);

  void set_capacity(uint32_t capacity);                     // evicts what does not fit any more
  void add(std::string_view name, std::string_view value);  // views from elsewhere than this table
  size_t count() const { return count_; }
  uint32_t size() const { return size_; }
  uint32_t capacity() const { return capacity_; }
  uint64_t inserted() const { return inserted_; }  // ever
  Field operator[](size_t age) const;              // 0 is the newest; age < count()

 private:
  struct Entry {
    uint32_t at, name_size, value_size;
  };
  void evict_until(uint32_t limit);
  const Entry& entry(size_t age) const { return entries_[(newest_ - age) & (entries_.size() - 1)]; }
  void grow_entries();
  void drop_dead_bytes();

  uint32_t capacity_;
  uint32_t size_ = 0;
  size_t count_ = 0;
  uint64_t inserted_ = 0;
  std::vector<Entry> entries_;  // ring, a power of two
  size_t newest_ = 0;
  std::string bytes_;      // appended to; the live part is at the end
  size_t dead_bytes_ = 0;  // at its beginning
};

// Decodes one header block after the other of a connection:
//   decoder.begin(block); while ((step = decoder.next()) == Step::Field) use(decoder.name(), decoder.value());
// A block that fails ends the connection (COMPRESSION_ERROR).
class Decoder {
 public:
  enum class Step : uint8_t { Field, Done, Error };

  // `table_size`: what this side's SETTINGS_HEADER_TABLE_SIZE says. `max_string`: the longest decoded name or value.
  explicit Decoder(uint32_t table_size = kDefaultTableSize, size_t max_string = 64 * 1024)
      : table_(table_size), table_limit_(table_size), max_string_(max_string) {}

  void begin(std::string_view block);
  Step next();
  std::string_view name() const { return name_; }  // until the next call
  std::string_view value() const { return value_; }
  const DynamicTable& table() const { return table_; }

 private:
  bool read_integer(uint8_t prefix_bits, uint32_t& out);
  bool read_string(std::string& scratch, std::string_view& out);
  bool indexed(uint32_t index, std::string_view& name, std::string_view& value) const;
  Step literal(uint8_t prefix_bits, bool index);

  DynamicTable table_;
  uint32_t table_limit_;
  size_t max_string_;
  const uint8_t* at_ = nullptr;
  const uint8_t* end_ = nullptr;
  bool fields_begun_ = false;
  std::string_view name_, value_;
  std::string name_scratch_, value_scratch_;
};

// Encodes the fields of a connection's header blocks, in order. A field enters
// the table when its name is new or when it is met for the second time, so that
// values which change with every request do not push out those that stay.
// Credentials are sent never-indexed.
class Encoder {
 public:
  // The peer's SETTINGS_HEADER_TABLE_SIZE; at most kDefaultTableSize is used.
  void set_table_size(uint32_t size);
  // Strings as they are, not Huffman coded: for peers that bytes cost less than time.
  void set_plain() { plain_ = true; }
  void begin(net::Buffer& out);  // a header block: writes a pending table size update
  void field(net::Buffer& out, std::string_view name, std::string_view value) {
    if (!reference(out, name, value)) literal(out, name, value);
  }
  // The two halves of field(). A field of the dynamic table: one byte or two; false where it is not in there.
  bool reference(net::Buffer& out, std::string_view name, std::string_view value);
  // Right after a reference() to the same that was false.
  void literal(net::Buffer& out, std::string_view name, std::string_view value);
  const DynamicTable& table() const { return table_; }

 private:
  struct Slot {
    uint32_t hash = 0;
    uint64_t serial = 0;  // of the insertion, from 1; 0: free
  };
  static constexpr size_t kSlots = 256, kMet = 64;

  bool age_of(uint32_t hash, size_t& age) const;
  bool met_before(uint32_t hash);

  DynamicTable table_;
  // Both are empty until the first field.
  std::vector<Slot> slots_;                  // direct-mapped, by hash of the name and of the whole field
  std::vector<uint32_t> met_;                // direct-mapped: hashes of fields that were not indexed
  uint32_t name_hash_ = 0, field_hash_ = 0;  // of the last reference()
  uint32_t smallest_size_ = 0;               // since the last block
  bool size_pending_ = false;
  bool plain_ = false;
};

// Huffman code of section 5.2.
size_t huffman_size(std::string_view text);
void huffman_encode(net::Buffer& out, std::string_view text);
// Appends the decoded text; false for invalid padding, EOS, or a text longer than `limit`.
bool huffman_decode(std::string_view code, size_t limit, std::string& out);

}  // namespace http::hpack
