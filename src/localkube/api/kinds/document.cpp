// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/kinds/document.h"

#include <chrono>
#include <ctime>

#include "base/strings.h"

namespace localkube {

std::string labels_text(const Json* labels) {
  if (!labels || !labels->is_object() || labels->empty()) return "<none>";
  std::vector<std::string> pieces;
  for (const auto& [key, value] : labels->items())
    pieces.push_back(key + "=" + (value.is_string() ? value.get<std::string>() : value.dump()));
  return base::join(pieces, ",");
}

std::string selector_text(const Json* selector) {
  if (!selector || !selector->is_object()) return "<none>";
  std::vector<std::string> pieces;
  if (const Json* labels = base::find(*selector, "matchLabels"); labels && labels->is_object())
    for (const auto& [key, value] : labels->items()) pieces.push_back(key + "=" + value.get<std::string>());
  for (const Json& rule : items(*selector, "matchExpressions")) {
    std::string key = string_at(rule, "key"), op = string_at(rule, "operator");
    std::vector<std::string> values;
    for (const Json& value : items(rule, "values")) values.push_back(value.get<std::string>());
    if (op == "In") pieces.push_back(key + " in (" + base::join(values, ",") + ")");
    if (op == "NotIn") pieces.push_back(key + " notin (" + base::join(values, ",") + ")");
    if (op == "Exists") pieces.push_back(key);
    if (op == "DoesNotExist") pieces.push_back("!" + key);
  }
  return pieces.empty() ? "<none>" : base::join(pieces, ",");
}

std::optional<int64_t> parse_time(std::string_view text) {
  auto part = [&](size_t from, size_t size) { return base::parse_number<int>(text.substr(from, size)); };
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':')
    return std::nullopt;
  auto year = part(0, 4), month = part(5, 2), day = part(8, 2), hour = part(11, 2), minute = part(14, 2),
       second = part(17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                   std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  int64_t seconds =
      std::chrono::sys_days(date).time_since_epoch().count() * 86400LL + *hour * 3600 + *minute * 60 + *second;
  size_t zone = text.find_first_of("Z+-", 19);
  if (zone == text.npos) return std::nullopt;
  if (text[zone] == 'Z') return seconds;
  auto hours = part(zone + 1, 2), minutes = part(zone + 4, 2);
  if (!hours || !minutes) return std::nullopt;
  int64_t offset = *hours * 3600 + *minutes * 60;
  return text[zone] == '+' ? seconds - offset : seconds + offset;
}

std::string time_text(int64_t seconds) {
  std::time_t time = seconds;
  std::tm tm{};
  gmtime_r(&time, &tm);
  char buffer[32];
  strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%SZ", &tm);
  return buffer;
}

std::string now_text() { return time_text(std::time(nullptr)); }

std::string now_text_micro() {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  int64_t micros = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  std::string text = time_text(micros / 1'000'000);
  std::string fraction = std::to_string(1'000'000 + micros % 1'000'000);
  return text.substr(0, 19) + "." + fraction.substr(1) + "Z";
}

// Two units at most, one where the larger says enough; as kubectl does.
std::string duration_text(int64_t s) {
  auto text = [](int64_t value, const char* unit) { return std::to_string(value) + unit; };
  auto two = [&](int64_t a, const char* ua, int64_t b, const char* ub) {
    return b == 0 ? text(a, ua) : text(a, ua) + text(b, ub);
  };
  if (s < -1) return "<invalid>";
  if (s < 0) return "0s";
  int64_t minutes = s / 60, hours = s / 3600, days = hours / 24;
  if (s < 120) return text(s, "s");
  if (minutes < 10) return two(minutes, "m", s % 60, "s");
  if (hours < 3) return text(minutes, "m");
  if (hours < 8) return two(hours, "h", minutes % 60, "m");
  if (hours < 48) return text(hours, "h");
  if (days < 8) return two(days, "d", hours % 24, "h");
  if (days < 2 * 365) return text(days, "d");
  if (days < 8 * 365) return two(days / 365, "y", days % 365, "d");
  return text(days / 365, "y");
}

std::string age_text(std::string_view time_stamp) {
  auto then = parse_time(time_stamp);
  if (!then) return "<unknown>";
  return duration_text(static_cast<int64_t>(std::time(nullptr)) - *then);
}

std::string age_of(const Json& object) { return age_text(base::text(object, "metadata", "creationTimestamp")); }

std::string join_or_none(const std::vector<std::string>& pieces) {
  return pieces.empty() ? "<none>" : base::join(pieces, ",");
}

}  // namespace localkube
