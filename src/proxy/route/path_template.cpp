// SPDX-License-Identifier: Apache-2.0
#include "proxy/route/path_template.h"

#include <algorithm>

#include "base/strings.h"

namespace proxy {
namespace {

// RFC 3986's pchar, as a class of RE2.
constexpr std::string_view kSegment = R"([a-zA-Z0-9\-._~%!$&'()+,;:@=]+)";
constexpr std::string_view kRest = R"([a-zA-Z0-9\-._~%!$&'()+,;:@=/]*)";
constexpr size_t kMostVariables = 5;

bool is_literal(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._~%!$&'()+,;:@=").find(c) != std::string_view::npos;
  });
}

void append_quoted(std::string& out, std::string_view literal) {
  for (char c : literal) {
    if (!isalnum(static_cast<unsigned char>(c))) out += '\\';
    out += c;
  }
}

struct Writer {
  std::string out;
  bool rest = false;  // "**" was there: only literals may follow
  size_t variables = 0;

  base::Result<void> segment(std::string_view text) {
    if (text == "*" || text == "**") {
      if (rest) return base::fail(base::ErrorKind::Invalid, "an operator follows \"**\"");
      rest = text == "**";
      out += rest ? kRest : kSegment;
      return {};
    }
    if (!is_literal(text))
      return base::fail(base::ErrorKind::Invalid,
                        "segment \"" + std::string(text) + "\" is neither literal nor operator");
    append_quoted(out, text);
    return {};
  }
  base::Result<void> variable(std::string_view text) {
    auto parts = base::cut(text, '=');
    std::string_view pattern = parts ? parts->second : "*";
    if (++variables > kMostVariables) return base::fail(base::ErrorKind::Invalid, "more than five variables");
    out += '(';
    bool first = true;
    for (std::string_view piece : base::split(pattern, '/')) {
      if (!first) out += '/';
      first = false;
      TRY(segment(piece));
    }
    out += ')';
    return {};
  }
};

}  // namespace

base::Result<std::string> regex_of_template(std::string_view text) {
  auto about = [&](const base::Error& error) {
    return base::fail(base::ErrorKind::Invalid, "path template \"" + std::string(text) + "\": " + error.message);
  };
  if (!text.starts_with('/'))
    return base::fail(base::ErrorKind::Invalid, "path template \"" + std::string(text) + "\" does not begin with /");
  Writer writer;
  std::string_view left = text;
  while (left.starts_with('/')) {
    writer.out += '/';
    left.remove_prefix(1);
    if (left.empty()) break;
    if (left.front() == '{') {
      size_t end = left.find('}');
      if (end == left.npos || (end + 1 < left.size() && left[end + 1] != '/'))
        return base::fail(base::ErrorKind::Invalid,
                          "path template \"" + std::string(text) + "\" has a variable that is no segment");
      if (auto done = writer.variable(left.substr(1, end - 1)); !done) return about(done.error());
      left.remove_prefix(end + 1);
    } else {
      size_t end = std::min(left.find('/'), left.size());
      if (auto done = writer.segment(left.substr(0, end)); !done) return about(done.error());
      left.remove_prefix(end);
    }
  }
  return std::move(writer.out);
}

}  // namespace proxy
