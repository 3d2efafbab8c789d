// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "http/message.h"

namespace proxy {

// A cookie's value without the quotes that it may have.
std::string_view unquoted_cookie(std::string_view value);
// The value of a request's cookie, without the quotes that it may have; the first of that name.
std::optional<std::string_view> cookie_of(const http::Headers& headers, std::string_view name);

}  // namespace proxy
