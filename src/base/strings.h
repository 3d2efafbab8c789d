// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <charconv>
#include <concepts>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace base {

// Hash maps and sets keyed by std::string that are looked up by string_view.
struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
template <typename T>
using StringMap = std::unordered_map<std::string, T, StringHash, std::equal_to<>>;

// Pieces between separators; an empty text has one empty piece.
std::vector<std::string_view> split(std::string_view text, char separator);
// The text before and after the first separator; nullopt where there is none.
std::optional<std::pair<std::string_view, std::string_view>> cut(std::string_view text, char separator);
std::string_view trim(std::string_view text);  // ASCII white space at both ends
std::string to_lower(std::string_view text);   // ASCII only
bool equal_ignoring_case(std::string_view a, std::string_view b);

template <typename Range>
std::string join(const Range& pieces, std::string_view separator) {
  std::string out;
  for (const auto& piece : pieces) {
    if (&piece != &*std::begin(pieces)) out += separator;
    out += piece;
  }
  return out;
}

// The whole text as a decimal number, or nullopt.
template <std::integral T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string to_base64(std::string_view bytes);                     // RFC 4648 section 4
std::string to_base64url(std::string_view bytes);                  // section 5, no padding
std::optional<std::string> from_base64(std::string_view text);     // padding required
std::optional<std::string> from_base64url(std::string_view text);  // padding refused
std::string to_hex(std::string_view bytes);
// The bytes of the character that a UTF-8 text begins with (RFC 3629); 0: it begins with none.
size_t utf8_character(std::string_view text);
bool is_utf8(std::string_view text);

}  // namespace base
