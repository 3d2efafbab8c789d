// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace proxy {

// The path, without touching a query: percent-encoded unreserved characters are
// decoded, backslashes become slashes, dot segments are resolved (RFC 3986,
// 6.2.2; with parameters, "..;x", too), and then slashes in a row become one where asked for. False where the path
// is none: "%" without two digits, "%00", or not beginning with a slash.
bool normalize_path(std::string& path, bool normalize, bool merge_slashes);

bool has_escaped_slash(std::string_view path);  // %2F or %5C before the query
std::string unescape_slashes(std::string_view path);

}  // namespace proxy
