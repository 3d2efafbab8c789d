// SPDX-License-Identifier: Apache-2.0
#include <re2/re2.h>

#include <cmath>
#include <limits>

#include "proxy/runtime/compile.h"

namespace proxy {

// For messages: the text's beginning, and how long it is where that is not all of it.
static std::string shortened(std::string_view text) {
  constexpr size_t kMost = 200;
  if (text.size() <= kMost) return std::string(text);
  std::string out(text.substr(0, kMost));
  out += "... (" + std::to_string(text.size()) + " bytes)";
  return out;
}

base::Result<std::shared_ptr<const re2::RE2>> compile_regex(const std::string& pattern) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  auto regex = std::make_shared<const re2::RE2>(pattern, options);
  if (!regex->ok())
    return base::fail(base::ErrorKind::Invalid,
                      "regular expression \"" + shortened(pattern) + "\": " + shortened(regex->error()));
  return regex;
}

base::Result<StringMatch> compile(const envoy::type::matcher::v3::StringMatcher& from) {
  using From = envoy::type::matcher::v3::StringMatcher;
  StringMatch out;
  switch (from.match_pattern_case()) {
    case From::kExact:
      out.kind = StringMatch::Kind::Exact;
      out.value = from.exact();
      break;
    case From::kPrefix:
      out.kind = StringMatch::Kind::Prefix;
      out.value = from.prefix();
      break;
    case From::kSuffix:
      out.kind = StringMatch::Kind::Suffix;
      out.value = from.suffix();
      break;
    case From::kContains:
      out.kind = StringMatch::Kind::Contains;
      out.value = from.contains();
      break;
    case From::kSafeRegex:
      out.kind = StringMatch::Kind::Regex;
      out.regex = TRY(compile_regex(from.safe_regex().regex()));
      break;
    default:
      return base::fail(base::ErrorKind::Invalid, "a string matcher without a pattern");
  }
  out.ignore_case = from.ignore_case() && out.kind != StringMatch::Kind::Regex;
  if (out.ignore_case) out.value = base::to_lower(out.value);
  return out;
}

base::Result<HeaderMatch> compile(const envoy::config::route::v3::HeaderMatcher& from) {
  using From = envoy::config::route::v3::HeaderMatcher;
  HeaderMatch out;
  out.name = base::to_lower(from.name());
  if (out.name.empty()) return base::fail(base::ErrorKind::Invalid, "a header matcher without a name");
  out.invert = from.invert_match();
  out.missing_is_empty = from.treat_missing_header_as_empty();
  auto text = [&](StringMatch::Kind kind, const std::string& value) {
    out.kind = HeaderMatch::Kind::Value;
    out.value.kind = kind;
    out.value.value = value;
  };
  switch (from.header_match_specifier_case()) {
    case From::kExactMatch:
      text(StringMatch::Kind::Exact, from.exact_match());
      break;
    case From::kPrefixMatch:
      text(StringMatch::Kind::Prefix, from.prefix_match());
      break;
    case From::kSuffixMatch:
      text(StringMatch::Kind::Suffix, from.suffix_match());
      break;
    case From::kContainsMatch:
      text(StringMatch::Kind::Contains, from.contains_match());
      break;
    case From::kSafeRegexMatch:
      text(StringMatch::Kind::Regex, {});
      out.value.regex = TRY(compile_regex(from.safe_regex_match().regex()));
      break;
    case From::kRangeMatch:
      out.kind = HeaderMatch::Kind::Range;
      out.range_start = from.range_match().start();
      out.range_end = from.range_match().end();
      break;
    case From::kStringMatch:
      out.kind = HeaderMatch::Kind::Value;
      out.value = TRY(compile(from.string_match()));
      break;
    case From::kPresentMatch:
      out.kind = HeaderMatch::Kind::Present;
      out.present = from.present_match();
      break;
    default:
      out.kind = HeaderMatch::Kind::Present;
      break;
  }
  return out;
}

static base::Result<ValueMatch> value_match_of(const envoy::type::matcher::v3::ValueMatcher& from) {
  using From = envoy::type::matcher::v3::ValueMatcher;
  ValueMatch out;
  switch (from.match_pattern_case()) {
    case From::kNullMatch:
      out.kind = ValueMatch::Kind::Null;
      break;
    case From::kDoubleMatch: {
      out.kind = ValueMatch::Kind::Number;
      const auto& number = from.double_match();
      out.least = number.has_range() ? number.range().start() : number.exact();
      out.below = number.has_range() ? number.range().end() : number.exact();
      if (number.has_range() && out.least >= out.below) out.least = std::numeric_limits<double>::quiet_NaN();  // empty
      break;
    }
    case From::kStringMatch:
      out.kind = ValueMatch::Kind::Text;
      out.text = TRY(compile(from.string_match()));
      break;
    case From::kBoolMatch:
      out.kind = ValueMatch::Kind::Bool;
      out.flag = from.bool_match();
      break;
    case From::kPresentMatch:
      out.flag = from.present_match();
      break;
    case From::kListMatch:
      out.kind = ValueMatch::Kind::List;
      out.parts.push_back(TRY(value_match_of(from.list_match().one_of())));
      break;
    case From::kOrMatch:
      out.kind = ValueMatch::Kind::Any;
      for (const auto& part : from.or_match().value_matchers()) out.parts.push_back(TRY(value_match_of(part)));
      break;
    default:
      return base::fail(base::ErrorKind::Invalid, "a value matcher without a pattern that is known");
  }
  return out;
}

base::Result<MetadataMatch> compile(const envoy::type::matcher::v3::MetadataMatcher& from) {
  MetadataMatch out{.space = from.filter(), .invert = from.invert()};
  for (const auto& segment : from.path()) out.path.push_back(segment.key());
  if (out.space.empty() || out.path.empty())
    return base::fail(base::ErrorKind::Invalid, "a metadata matcher without filter or path");
  out.value = TRY(value_match_of(from.value()));
  return out;
}

static base::Json json_of_value(const google::protobuf::Value& from) {
  using From = google::protobuf::Value;
  switch (from.kind_case()) {
    case From::kNumberValue: {
      const double number = from.number_value();  // a whole one is written as one
      if (std::abs(number) < 9e15 && number == std::trunc(number)) return static_cast<int64_t>(number);
      return number;
    }
    case From::kStringValue:
      return from.string_value();
    case From::kBoolValue:
      return from.bool_value();
    case From::kStructValue:
      return json_of(from.struct_value());
    case From::kListValue: {
      auto out = base::Json::array();
      for (const auto& element : from.list_value().values()) out.push_back(json_of_value(element));
      return out;
    }
    default:
      return nullptr;
  }
}

base::Json json_of(const google::protobuf::Struct& from) {
  auto out = base::Json::object();
  for (const auto& [key, value] : from.fields()) out[key] = json_of_value(value);
  return out;
}

}  // namespace proxy
