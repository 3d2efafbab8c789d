// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <emmintrin.h>

#include <array>
#include <bit>
#include <cstdint>
#include <string_view>

// Character classes of RFC 9110 and RFC 3986 that the codecs share.
namespace http::syntax {

// For a token character its lower-case form, else 0 (RFC 9110 section 5.6.2).
inline constexpr auto kTokenLower = [] {
  std::array<char, 256> table{};
  for (int c = 0; c < 128; ++c) {
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')) table[c] = static_cast<char>(c);
    if (c >= 'A' && c <= 'Z') table[c] = static_cast<char>(c + 32);
  }
  for (char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<uint8_t>(c)] = c;
  return table;
}();

inline constexpr auto kHostByte = [] {
  std::array<bool, 256> table{};
  for (int c = 0; c < 128; ++c) table[c] = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  for (char c : std::string_view("-._~%!$&'()*+;=:[]")) table[static_cast<uint8_t>(c)] = true;
  return table;
}();

inline char token_lower(char c) { return kTokenLower[static_cast<uint8_t>(c)]; }

// The first byte at or after p that a field value cannot hold (CR, LF, NUL and
// other controls, DEL), or end. TAB and bytes from 0x80 may be in values.
inline const char* find_control(const char* p, const char* end) {
  const __m128i last_control = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t'), del = _mm_set1_epi8(0x7f);
  for (; end - p >= 16; p += 16) {
    __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);
    __m128i bad = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), low), _mm_cmpeq_epi8(bytes, del));
    if (int mask = _mm_movemask_epi8(bad)) return p + std::countr_zero(static_cast<unsigned>(mask));
  }
  for (; p != end; ++p) {
    auto byte = static_cast<uint8_t>(*p);
    if ((byte < 0x20 && byte != '\t') || byte == 0x7f) return p;
  }
  return end;
}

// The first byte that is not visible ASCII (0x21 to 0x7e), or end: what a request target may hold.
inline const char* find_invisible(const char* p, const char* end) {
  const __m128i low = _mm_set1_epi8(0x20), high = _mm_set1_epi8(0x7f);
  for (; end - p >= 16; p += 16) {
    __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    // signed: 0x80 and above are negative, so "greater than 0x20 and less than 0x7f" leaves only the visible
    __m128i good = _mm_and_si128(_mm_cmpgt_epi8(bytes, low), _mm_cmplt_epi8(bytes, high));
    if (int mask = _mm_movemask_epi8(good); mask != 0xffff)
      return p + std::countr_zero(static_cast<unsigned>(~mask & 0xffff));
  }
  for (; p != end; ++p)
    if (*p <= 0x20 || *p == 0x7f) return p;
  return end;
}

inline bool valid_value(std::string_view text) {
  return find_control(text.data(), text.data() + text.size()) == text.data() + text.size();
}

// A path with query, of visible characters and without a fragment.
inline bool valid_target(std::string_view text) {
  return find_invisible(text.data(), text.data() + text.size()) == text.data() + text.size() &&
         text.find('#') == std::string_view::npos;
}

bool valid_token(std::string_view text);        // not empty
bool valid_lower_token(std::string_view text);  // a field name as HTTP/2 wants it
// Whether it can stand in a message's head as one field, in either version.
inline bool valid_field(std::string_view lower_name, std::string_view value) {
  return valid_lower_token(lower_name) && valid_value(value);
}
// host[:port] without user information; not empty.
bool valid_authority(std::string_view text);
bool equal_lower(std::string_view text, std::string_view lower);  // ASCII, ignoring the case of `text`

// Digits only, fitting 63 bits.
bool parse_length(std::string_view text, uint64_t& out);

// Fields that belong to one connection, plus host and content-length, which are
// carried apart: codecs write these themselves. `name` is in lower case.
inline bool codec_owned(std::string_view name) {
  switch (name.size()) {
    case 2:
      return name == "te";
    case 4:
      return name == "host";
    case 7:
      return name == "upgrade";
    case 10:
      return name == "connection" || name == "keep-alive";
    case 14:
      return name == "content-length";
    case 16:
      return name == "proxy-connection";
    case 17:
      return name == "transfer-encoding";
    default:
      return false;
  }
}

}  // namespace http::syntax
