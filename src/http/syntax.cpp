// SPDX-License-Identifier: Apache-2.0
#include "http/syntax.h"

namespace http::syntax {

bool valid_token(std::string_view text) {
  for (char c : text)
    if (!token_lower(c)) return false;
  return !text.empty();
}

bool valid_lower_token(std::string_view text) {
  for (char c : text)
    if (c == 0 || token_lower(c) != c) return false;
  return !text.empty();
}

bool valid_authority(std::string_view text) {
  if (text.empty()) return false;
  for (char c : text)
    if (!kHostByte[static_cast<uint8_t>(c)]) return false;
  std::string_view port;
  if (text.front() == '[') {
    size_t close = text.find(']');
    if (close == std::string_view::npos || close < 3) return false;
    for (char c : text.substr(1, close - 1))
      if (c == '[') return false;
    port = text.substr(close + 1);
    if (port.empty()) return true;
    if (port.front() != ':') return false;
    port.remove_prefix(1);
  } else {
    size_t colon = text.find(':');
    if (text.substr(0, colon).find_first_of("[]") != std::string_view::npos || colon == 0) return false;
    if (colon == std::string_view::npos) return true;
    port = text.substr(colon + 1);
  }
  if (port.size() > 5) return false;
  uint32_t number = 0;
  for (char c : port) {
    if (c < '0' || c > '9') return false;
    number = number * 10 + static_cast<uint32_t>(c - '0');
  }
  return number <= 65535;
}

bool equal_lower(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    if (c != lower[i]) return false;
  }
  return true;
}

bool parse_length(std::string_view text, uint64_t& out) {
  if (text.empty() || text.size() > 18) return false;
  uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  out = value;
  return true;
}

}  // namespace http::syntax
