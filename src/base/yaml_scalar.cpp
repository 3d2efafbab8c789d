// SPDX-License-Identifier: Apache-2.0
#include "base/yaml_scalar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace base {
namespace {

template <size_t N>
bool any_of(const std::array<std::string_view, N>& words, std::string_view text) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

constexpr std::array<std::string_view, 5> kNull = {"", "~", "null", "Null", "NULL"};
constexpr std::array<std::string_view, 11> kTrue = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                                    "True", "TRUE", "on",  "On",  "ON"};
constexpr std::array<std::string_view, 11> kFalse = {"n",     "N",     "no",  "No",  "NO", "false",
                                                     "False", "FALSE", "off", "Off", "OFF"};
constexpr std::array<std::string_view, 12> kNotJson = {".nan",  ".NaN",  ".NAN",  ".inf",  ".Inf",  ".INF",
                                                       "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF"};

// A whole number with an optional sign and 0x, 0o, 0b or a leading 0 (octal).
std::optional<Json> integer(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  int radix = 10;
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) radix = 16;
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'o' || text[1] == 'O')) radix = 8;
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'b' || text[1] == 'B')) radix = 2;
  if (radix != 10) {
    text.remove_prefix(2);
  } else if (text.size() > 1 && text[0] == '0') {
    radix = 8;
    text.remove_prefix(1);
  }
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, radix);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (!negative) return value <= INT64_MAX ? Json(static_cast<int64_t>(value)) : Json(value);
  if (value > uint64_t{1} << 63) return std::nullopt;
  return Json(static_cast<int64_t>(0 - value));
}

// [-+]? (digits [. digits?] | . digits) [exponent]
bool looks_like_float(std::string_view text) {
  size_t at = 0;
  auto digits = [&] {
    size_t from = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at - from;
  };
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
  size_t whole = digits();
  size_t fraction = 0;
  if (at < text.size() && text[at] == '.') {
    ++at;
    fraction = digits();
  }
  if (whole + fraction == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    if (digits() == 0) return false;
  }
  return at == text.size();
}

std::optional<Json> number(std::string_view text) {
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || !std::isfinite(value)) return std::nullopt;
  // JSON knows no difference between 1.0 and 1, and Kubernetes reads both as an integer.
  if (std::trunc(value) == value && std::fabs(value) < 9.2e18) return Json(static_cast<int64_t>(value));
  return Json(value);
}

}  // namespace

std::optional<Json> plain_scalar(std::string_view text) {
  if (any_of(kNull, text)) return Json(nullptr);
  if (any_of(kTrue, text)) return Json(true);
  if (any_of(kFalse, text)) return Json(false);
  if (any_of(kNotJson, text)) return std::nullopt;
  if (std::string_view("0123456789+-.").find(text[0]) == std::string_view::npos) return Json(std::string(text));
  std::string digits(text);
  std::erase(digits, '_');
  if (auto whole = integer(digits)) return whole;
  if (looks_like_float(digits)) return number(digits);
  return Json(std::string(text));
}

}  // namespace base
