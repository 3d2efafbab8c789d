// SPDX-License-Identifier: Apache-2.0
#include "config/validate/report.h"

#include <arpa/inet.h>
#include <re2/re2.h>

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "telemetry/format.h"

namespace config {
namespace {

bool is_letter_or_digit(char c) { return isalnum(static_cast<unsigned char>(c)) != 0; }

}  // namespace

bool is_dns_label(std::string_view label) {
  if (label.empty() || label.size() > 63 || !is_letter_or_digit(label.front()) || !is_letter_or_digit(label.back()))
    return false;
  return std::ranges::all_of(label, [](char c) { return is_letter_or_digit(c) || c == '-'; });
}

// An object must not make an answer of any size, so of each severity the first are told, and of a text its beginning.
void Report::note(Severity severity, std::string_view code, const Path& path, std::string message, std::string hint) {
  constexpr size_t kMost = 50, kLongest = 2048;
  size_t& told = severity == Severity::Error ? errors_ : warnings_;
  if (++told > kMost + 1) return;
  if (told == kMost + 1) {
    message = "and more; of one object the first " + std::to_string(kMost) + " are told";
    hint.clear();
  }
  if (message.size() > kLongest) message = message.substr(0, kLongest) + "...";
  findings_.push_back({severity, std::string(code), object_, path.text(), std::move(message), std::move(hint)});
}

void Report::error(std::string_view code, const Path& path, std::string message, std::string hint) {
  note(Severity::Error, code, path, std::move(message), std::move(hint));
}

void Report::warn(std::string_view code, const Path& path, std::string message, std::string hint) {
  note(Severity::Warning, code, path, std::move(message), std::move(hint));
}

// Compiling expressions is what costs: a document that is full of them must not hold up everybody else.
bool Report::may_compile(size_t size) {
  constexpr size_t kMostPatterns = 256 * 1024;
  patterns_ += size;
  if (patterns_ <= kMostPatterns) return true;
  if (patterns_ - size <= kMostPatterns)
    error("SN0115", Path("spec"), "more than 262144 bytes of regular expressions in one object");
  return false;
}

void Report::not_acting(const Path& path, std::string_view what) {
  warn("SN0199", path, std::string(what) + " is stored, but Seine does not act on it yet");
}

void check_port(Report& report, const Path& path, uint32_t number) {
  if (number < 1 || number > 65535)
    report.error("SN0110", path, "port number " + std::to_string(number) + " must be in the range 1..65535");
}

bool check_domain(Report& report, const Path& path, std::string_view domain) {
  auto bad = [&](std::string_view why) {
    report.error("SN0111", path, "domain name " + in_quotes(domain) + " invalid (" + std::string(why) + ")");
    return false;
  };
  if (domain.empty()) return bad("empty domain name not allowed");
  if (domain.size() > 255) return bad("domain name longer than 255 characters");
  std::string_view rest = domain;
  if (rest == "*") return true;
  if (rest.starts_with("*."))
    rest.remove_prefix(2);
  else if (rest.starts_with("*-"))
    rest.remove_prefix(2);
  if (rest.ends_with('.')) rest.remove_suffix(1);
  auto labels = base::split(rest, '.');
  for (std::string_view label : labels)
    if (!is_dns_label(label)) return bad("label " + in_quotes(label) + " invalid");
  if (labels.size() > 1 && std::ranges::all_of(labels.back(), [](char c) { return isdigit(c) != 0; }))
    return bad("top level domain " + in_quotes(labels.back()) + " cannot be all-numeric");
  return true;
}

bool is_address(std::string_view text) {
  unsigned char bytes[16];
  std::string copy(text);
  return inet_pton(AF_INET, copy.c_str(), bytes) == 1 || inet_pton(AF_INET6, copy.c_str(), bytes) == 1;
}

bool is_cidr(std::string_view text) {
  auto parts = base::cut(text, '/');
  if (!parts || !is_address(parts->first)) return false;
  auto length = base::parse_number<int>(parts->second);
  return length && *length >= 0 && *length <= (parts->first.find(':') == std::string_view::npos ? 32 : 128);
}

bool check_domain_or_address(Report& report, const Path& path, std::string_view host) {
  return is_address(host) || check_domain(report, path, host);
}

void check_address_or_cidr(Report& report, const Path& path, std::string_view text) {
  if (!is_address(text) && !is_cidr(text))
    report.error("SN0112", path, in_quotes(text) + " is not a valid IP address or CIDR block");
}

// Proxies count nanoseconds in 64 bits, and multiply some durations by ten.
static constexpr int64_t kMostSeconds = 10LL * 365 * 86'400;

void check_duration(Report& report, const Path& path, const google::protobuf::Duration& duration) {
  if (duration.seconds() < 0 || duration.nanos() < 0 || (duration.seconds() == 0 && duration.nanos() < 1'000'000))
    report.error("SN0113", path, "duration must be greater than 1ms");
  else if (duration.seconds() > kMostSeconds)
    report.error("SN0113", path, "duration is above ten years");
  else if (duration.nanos() % 1'000'000 != 0)
    report.error("SN0113", path, "only durations to ms precision are supported");
}

void check_percent(Report& report, const Path& path, double percent) {
  if (!(percent >= 0 && percent <= 100))  // nor is what is not a number
    report.error("SN0114", path, "percentage " + std::to_string(percent) + " is not in range 0..100");
}

void check_header_value(Report& report, const Path& path, const std::string& value) {
  if (value.find_first_of(std::string_view("\r\n\0", 3)) != value.npos)
    return report.error("SN0111", path, "a header's value cannot have line breaks or NUL");
  if (auto format = ::telemetry::Format::parse(value); !format)
    report.error("SN0111", path, format.error().message, "a percent sign alone is written %%");
}

static constexpr size_t kMostPattern = 4096;

void check_regex(Report& report, const Path& path, const std::string& pattern) {
  if (pattern.size() > kMostPattern)
    return report.error("SN0115", path,
                        "a regular expression of " + std::to_string(pattern.size()) + " bytes; " +
                            std::to_string(kMostPattern) + " are the most");
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);  // as in the proxy
  if (pattern.empty()) return report.error("SN0115", path, "a regular expression cannot be empty");
  if (!report.may_compile(pattern.size())) return;
  re2::RE2 regex(pattern, options);
  if (!regex.ok())
    report.error("SN0115", path, in_quotes(pattern) + " is not a valid RE2 regular expression: " + regex.error());
}

void check_one_line(Report& report, const Path& path, std::string_view text) {
  if (text.find_first_of(std::string_view("\r\n\0", 3)) != text.npos)
    report.error("SN0111", path, "it cannot have line breaks or NUL");
}

bool is_log_format(const std::string& text) { return ::telemetry::Format::parse(text).has_value(); }

void check_string_match(Report& report, const Path& path, const networking::StringMatch& match) {
  if (match.has_regex() && match.regex() != "*") check_regex(report, path / "regex", match.regex());
  if (match.has_prefix() && match.prefix().empty())
    report.error("SN0116", path / "prefix", "prefix string match should not be empty");
}

void check_labels(Report& report, const Path& path, const google::protobuf::Map<std::string, std::string>& labels) {
  static const re2::RE2 kKey("(?:[a-zA-Z0-9.-]{1,253}/)?[a-zA-Z0-9](?:[-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?");
  static const re2::RE2 kValue("(?:[a-zA-Z0-9](?:[-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)?");
  for (const auto& [key, value] : labels) {
    if (!re2::RE2::FullMatch(key, kKey)) report.error("SN0117", path, "invalid tag key: " + in_quotes(key));
    if (!re2::RE2::FullMatch(value, kValue))
      report.error("SN0117", path, "invalid tag value: " + in_quotes(value) + " of " + in_quotes(key));
  }
}

void check_header_name(Report& report, const Path& path, std::string_view name) {
  static const re2::RE2 kName(":?[-!#$%&'*+.^_`|~0-9a-zA-Z]+");
  if (name.empty())
    report.error("SN0118", path, "header name cannot be empty");
  else if (!re2::RE2::FullMatch(re2::StringPiece(name.data(), name.size()), kName))
    report.error("SN0118", path, "header name " + in_quotes(name) + " is not a valid header name");
}

void check_export_to(Report& report, const Path& path, const google::protobuf::RepeatedPtrField<std::string>& export_to,
                     std::string_view ns) {
  bool everywhere = false;
  bool nowhere = false;
  std::set<std::string_view> seen;
  for (int i = 0; i < export_to.size(); ++i) {
    const std::string& to = export_to[i];
    everywhere |= to == "*";
    nowhere |= to == "~";
    if (to != "*" && to != "." && to != "~" && !is_dns_label(to))
      report.error("SN0119", path[i], "invalid export_to value " + in_quotes(to), "one of *, ., ~, or a namespace");
    if (seen.contains(to) || (to == ns && seen.contains(".")))
      report.error("SN0119", path[i], "duplicate entries in exportTo: " + to);
    seen.insert(to);
  }
  if (export_to.size() > 1 && (everywhere || nowhere))
    report.error(
        "SN0119", path,
        std::string("cannot have both ") + (everywhere ? "* (all)" : "~ (none)") + " and other namespaces in exportTo");
}

}  // namespace config
