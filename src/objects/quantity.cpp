// SPDX-License-Identifier: Apache-2.0
#include "objects/quantity.h"

#include <array>

#include "base/strings.h"

namespace objects {
namespace {

using Wide = unsigned __int128;

// 10^-9, 10^-6, ... 10^18: a decimal quantity is a count of billionths.
constexpr std::array<std::string_view, 10> kDecimal = {"n", "u", "m", "", "k", "M", "G", "T", "P", "E"};
constexpr std::array<std::string_view, 7> kBinary = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
constexpr Wide kUnit = 1'000'000'000;            // billionths in one
constexpr Wide kMost = kUnit * (Wide{1} << 63);  // Kubernetes caps quantities there

std::string digits_of(Wide value) {
  if (value == 0) return "0";
  std::string out;
  for (; value > 0; value /= 10) out.insert(out.begin(), static_cast<char>('0' + static_cast<int>(value % 10)));
  return out;
}

std::string decimal_text(Wide billionths) {
  if (billionths == 0) return "0";
  size_t suffix = 0;
  while (suffix + 1 < kDecimal.size() && billionths % 1000 == 0) {
    billionths /= 1000;
    ++suffix;
  }
  return digits_of(billionths) + std::string(kDecimal[suffix]);
}

std::string binary_text(Wide whole) {
  size_t suffix = 0;
  while (whole > 0 && suffix + 1 < kBinary.size() && whole % 1024 == 0) {
    whole /= 1024;
    ++suffix;
  }
  return digits_of(whole) + std::string(kBinary[suffix]);
}

// An exponent keeps its form: "1e3" stays "1e3".
bool is_exponent(std::string_view suffix) {
  if (suffix.size() < 2 || (suffix[0] != 'e' && suffix[0] != 'E')) return false;
  suffix.remove_prefix(suffix[1] == '+' || suffix[1] == '-' ? 2 : 1);
  return base::parse_number<uint8_t>(suffix).has_value();
}

}  // namespace

std::optional<std::string> canonical_quantity(std::string_view text) {
  std::string_view rest = text;
  std::string sign;
  if (!rest.empty() && (rest[0] == '+' || rest[0] == '-')) {
    if (rest[0] == '-') sign = "-";
    rest.remove_prefix(1);
  }
  std::string_view number = rest.substr(0, rest.find_first_not_of("0123456789."));
  std::string_view suffix = rest.substr(number.size());
  size_t point = number.find('.');
  std::string_view whole = number.substr(0, point);
  std::string_view fraction = point == number.npos ? std::string_view() : number.substr(point + 1);
  if ((whole.empty() && fraction.empty()) || fraction.find('.') != fraction.npos) return std::nullopt;
  if (whole.size() > 18 || fraction.size() > 9)
    return is_exponent(suffix) || suffix.empty() ? std::optional(std::string(text)) : std::nullopt;
  if (is_exponent(suffix)) return std::string(text);

  Wide multiplier = 0;  // of a billionth
  bool binary = false;
  Wide power = 1;
  for (std::string_view known : kDecimal) {
    if (known == suffix) multiplier = power;
    power *= 1000;
  }
  power = kUnit * 1024;
  for (std::string_view known : std::span(kBinary).subspan(1)) {
    if (known == suffix) {
      multiplier = power;
      binary = true;
    }
    power *= 1024;
  }
  if (multiplier == 0) return std::nullopt;

  Wide digits = 0, scale = 1;
  for (char c : whole) digits = digits * 10 + static_cast<unsigned>(c - '0');
  for (char c : fraction) {
    digits = digits * 10 + static_cast<unsigned>(c - '0');
    scale *= 10;
  }
  if (digits > 0 && multiplier > (~Wide{0} - scale) / digits) return sign + binary_text(kMost / kUnit - 1);
  Wide billionths = (digits * multiplier + scale - 1) / scale;  // what is finer is rounded up
  if (billionths > kMost) billionths = kMost - kUnit;
  if (billionths == 0) return "0";
  bool fits_binary = binary && billionths % kUnit == 0;
  return sign + (fits_binary ? binary_text(billionths / kUnit) : decimal_text(billionths));
}

}  // namespace objects
