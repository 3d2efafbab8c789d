// SPDX-License-Identifier: Apache-2.0
#include "proxy/route/match.h"

#include <re2/re2.h>

#include <algorithm>

#include "base/strings.h"

namespace proxy {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// `pattern` is lower case already.
bool equal_lowered(std::string_view text, std::string_view pattern) {
  if (text.size() != pattern.size()) return false;
  for (size_t i = 0; i < text.size(); ++i)
    if (lower(text[i]) != pattern[i]) return false;
  return true;
}

bool starts_with(std::string_view text, std::string_view prefix, bool ignore_case) {
  if (text.size() < prefix.size()) return false;
  text = text.substr(0, prefix.size());
  return ignore_case ? equal_lowered(text, prefix) : text == prefix;
}

bool ends_with(std::string_view text, std::string_view suffix, bool ignore_case) {
  if (text.size() < suffix.size()) return false;
  text = text.substr(text.size() - suffix.size());
  return ignore_case ? equal_lowered(text, suffix) : text == suffix;
}

}  // namespace

bool StringMatch::matches(std::string_view text) const {
  switch (kind) {
    case Kind::Exact:
      return ignore_case ? equal_lowered(text, value) : text == value;
    case Kind::Prefix:
      return starts_with(text, value, ignore_case);
    case Kind::Suffix:
      return ends_with(text, value, ignore_case);
    case Kind::Contains:
      return ignore_case ? base::to_lower(text).find(value) != std::string::npos : text.find(value) != text.npos;
    case Kind::Regex:
      return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *regex);
  }
  return false;
}

std::optional<std::string_view> header_of(const http::RequestHead& request, std::string_view name,
                                          std::string& joined) {
  if (name.starts_with(':')) {
    if (name == ":method") return request.method;
    if (name == ":path") return request.path;
    if (name == ":authority") return request.authority;
    if (name == ":scheme") return request.scheme;
    return std::nullopt;
  }
  if (name == "host") return request.authority;
  auto first = request.headers.get(name);
  if (!first || request.headers.count(name) == 1) return first;
  joined = request.headers.joined(name);
  return joined;
}

bool HeaderMatch::one_matches(const http::Headers& headers) const {
  for (auto field : headers)
    if (field.name == name && takes(field.value) != invert) return !invert;
  return invert;
}

bool HeaderMatch::matches(const http::RequestHead& request) const {
  if (kind != Kind::Present && request.headers.count(name) > 1) return one_matches(request.headers);
  std::string joined;
  return takes(header_of(request, name, joined));
}

bool HeaderMatch::matches(const http::ResponseHead& response) const {
  if (name == ":status") return takes(std::to_string(response.status));
  if (kind != Kind::Present && response.headers.count(name) > 1) return one_matches(response.headers);
  return takes(response.headers.get(name));
}

bool HeaderMatch::takes(std::optional<std::string_view> found) const {
  if (kind == Kind::Present) {
    bool there = found.has_value() || missing_is_empty;
    return (there == present) != invert;
  }
  // Envoy: a missing header fails the match whether or not it is inverted, unless it counts as empty.
  if (!found && !missing_is_empty) return false;
  std::string_view text = found.value_or(std::string_view());
  bool matched = false;
  if (kind == Kind::Value) {
    matched = value.matches(text);
  } else if (auto number = base::parse_number<int64_t>(text.substr(text.starts_with('+') ? 1 : 0))) {
    matched = *number >= range_start && *number < range_end;
  }
  return matched != invert;
}

bool QueryMatch::matches(const http::RequestHead& request) const {
  std::optional<std::string_view> found;
  std::string_view query = request.query();
  query = query.substr(0, query.find('#'));
  while (!query.empty() && !found) {
    std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    size_t equals = pair.find('=');
    if (pair.substr(0, equals) == name) found = equals == pair.npos ? std::string_view() : pair.substr(equals + 1);
  }
  if (!value) return found.has_value() == present;
  return found && value->matches(*found);
}

bool PathMatch::matches(const http::RequestHead& request, std::string_view path) const {
  if (kind == Kind::Connect || path.empty()) return kind == Kind::Connect && request.method == "CONNECT";
  switch (kind) {
    case Kind::Connect:
      break;
    case Kind::Prefix:
      return starts_with(path, value, ignore_case);
    case Kind::Exact:
      return ignore_case ? equal_lowered(path, value) : path == value;
    case Kind::SeparatedPrefix:
      return starts_with(path, value, ignore_case) && (path.size() == value.size() || path[value.size()] == '/');
    case Kind::Regex:
      return re2::RE2::FullMatch(re2::StringPiece(path.data(), path.size()), *regex);
  }
  return false;
}

}  // namespace proxy
