// SPDX-License-Identifier: Apache-2.0
#include "http/hpack.h"
#include "http/hpack_tables.h"

namespace http::hpack {

namespace {

constexpr unsigned kRootBits = 10;  // codes up to this length are found in one look

struct DecodeTables {
  struct Root {
    uint8_t symbol = 0;
    uint8_t bits = 0;  // 0: a longer code
  };
  std::array<Root, 1 << kRootBits> root{};
  // By length: the first code, how many there are, and where their symbols begin.
  std::array<uint32_t, 31> first{}, count{}, begin{};
  std::array<uint8_t, 256> symbols{};
};

constexpr DecodeTables kDecode = [] {
  DecodeTables tables;
  uint32_t filled = 0;
  for (uint8_t bits = 1; bits <= 30; ++bits) {
    tables.begin[bits] = filled;
    for (size_t symbol = 0; symbol < 256; ++symbol) {
      auto [code, length] = kHuffman[symbol];
      if (length != bits) continue;
      if (tables.count[bits]++ == 0) tables.first[bits] = code;
      tables.symbols[filled++] = static_cast<uint8_t>(symbol);
      if (bits > kRootBits) continue;
      uint32_t base = code << (kRootBits - bits);
      for (uint32_t i = 0; i < 1u << (kRootBits - bits); ++i)
        tables.root[base + i] = {static_cast<uint8_t>(symbol), bits};
    }
  }
  return tables;
}();

}  // namespace

size_t huffman_size(std::string_view text) {
  size_t bits = 0;
  for (char c : text) bits += kHuffmanBits[static_cast<uint8_t>(c)];
  return (bits + 7) / 8;
}

void huffman_encode(net::Buffer& out, std::string_view text) {
  char* begin = out.prepare(huffman_size(text) + 8);
  char* at = begin;
  uint64_t bits = 0;
  unsigned held = 0;
  for (char c : text) {
    auto [code, length] = kHuffman[static_cast<uint8_t>(c)];
    bits = bits << length | code;
    held += length;
    while (held >= 8) *at++ = static_cast<char>(bits >> (held -= 8));
  }
  if (held > 0) *at++ = static_cast<char>(bits << (8 - held) | 0xff >> held);
  out.commit(static_cast<size_t>(at - begin));
}

bool huffman_decode(std::string_view code, size_t limit, std::string& out) {
  size_t start = out.size();
  // The shortest code has 5 bits.
  out.resize(start + code.size() * 8 / 5 + 1);
  char* at = out.data() + start;
  auto p = reinterpret_cast<const uint8_t*>(code.data());
  const uint8_t* end = p + code.size();
  uint64_t bits = 0;  // those held are at the top
  unsigned held = 0;
  for (;;) {
    while (held <= 56 && p != end) {
      bits |= static_cast<uint64_t>(*p++) << (56 - held);
      held += 8;
    }
    if (held == 0) break;
    auto [symbol, length] = kDecode.root[bits >> (64 - kRootBits)];
    if (length == 0) {
      auto window = static_cast<uint32_t>(bits >> 34);  // 30 bits
      length = kRootBits + 1;
      for (;; ++length) {
        if (length > 30) return false;  // EOS, or what only padding could be but is too long
        uint32_t offset = (window >> (30 - length)) - kDecode.first[length];
        if (kDecode.count[length] == 0 || offset >= kDecode.count[length]) continue;
        symbol = kDecode.symbols[kDecode.begin[length] + offset];
        break;
      }
    }
    if (length > held) break;  // what is left can only be padding
    *at++ = static_cast<char>(symbol);
    bits <<= length;
    held -= length;
  }
  if (held > 7 || (held > 0 && bits >> (64 - held) != (1u << held) - 1)) return false;
  size_t decoded = static_cast<size_t>(at - out.data()) - start;
  out.resize(start + decoded);
  return decoded <= limit;
}

}  // namespace http::hpack
