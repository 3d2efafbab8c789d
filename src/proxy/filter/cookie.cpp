// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/cookie.h"

#include "base/strings.h"

namespace proxy {

std::string_view unquoted_cookie(std::string_view value) {
  if (value.size() < 2 || value.front() != '"' || value.back() != '"') return value;
  return value.substr(1, value.size() - 2);
}

std::optional<std::string_view> cookie_of(const http::Headers& headers, std::string_view name) {
  for (auto field : headers) {
    if (field.name != "cookie") continue;
    for (std::string_view pair : base::split(field.value, ';')) {
      auto parts = base::cut(base::trim(pair), '=');
      if (parts && parts->first == name) return unquoted_cookie(parts->second);
    }
  }
  return std::nullopt;
}

}  // namespace proxy
