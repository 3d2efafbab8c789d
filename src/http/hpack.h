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

// Field lines by age, the newest first; bytes in one ring. Sizes as in section 4.
class DynamicTable {
 public:
  struct Field {
    std::string_view name;
    std::string_view value;
  };

  explicit DynamicTable(uint32_t capacity = kDefaultTableSize);

  void set_capacity(uint32_t capacity);  // evicts what does not fit any more
  void add(std::string_view name, std::string_view value);
  size_t count() const { return count_; }
  uint32_t size() const { return size_; }
  uint32_t capacity() const { return capacity_; }
  uint64_t inserted() const { return inserted_; }  // ever
  Field operator[](size_t age) const;              // 0 is the newest; age < count()

 private:
  struct Entry {
    uint32_t at, name_size, value_size;
  };
  void evict_oldest();
  void compact();

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

// Encodes fields of a connection's header blocks, in order. Values that change
// with every request are sent literally, secrets are marked never-indexed.
class Encoder {
 public:
  Encoder();

  // The peer's SETTINGS_HEADER_TABLE_SIZE; at most our own default is used.
  void set_table_size(uint32_t size);
  void begin(net::Buffer& out);  // a header block: writes a pending table size update
  void field(net::Buffer& out, std::string_view name, std::string_view value);
  const DynamicTable& table() const { return table_; }

 private:
  struct Slot {
    uint32_t hash = 0;
    uint64_t serial = 0;  // of the insertion, from 1; 0: free
  };
  uint32_t find(uint32_t hash, std::string_view name, std::string_view value) const;
  void remember(uint32_t hash);

  DynamicTable table_;
  std::vector<Slot> slots_;  // by hash of name and value; the newest insertion wins
  uint32_t pending_size_ = 0, smallest_pending_ = 0;
  bool size_pending_ = false;
};

// Huffman code of section 5.2.
size_t huffman_size(std::string_view text);
void huffman_encode(net::Buffer& out, std::string_view text);
// Appends the decoded text; false for invalid padding, EOS, or a text longer than `limit`.
bool huffman_decode(std::string_view code, size_t limit, std::string& out);

}  // namespace http::hpack
