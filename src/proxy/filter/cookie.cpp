// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/cookie.h"

#include "base/strings.h"

namespace proxy {

std::optional<std::string_view> cookie_of(const http::Headers& headers, std::string_view name) {
  for (auto field : headers) {
    if (field.name != "cookie") continue;
    for (std::string_view pair : base::split(field.value, ';')) {
      auto parts = base::cut(base::trim(pair), '=');
      if (!parts || parts->first != name) continue;
      std::string_view text = parts->second;
      if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
      return text;
    }
  }
  return std::nullopt;
}

}  // namespace proxy
