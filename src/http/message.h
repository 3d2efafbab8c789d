// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "http/headers.h"

namespace http {

// The head of a request, the same for every version of HTTP.
struct RequestHead {
  std::string method = "GET";
  std::string scheme = "http";
  std::string authority;   // Host or :authority
  std::string path = "/";  // origin form with query; "*" for OPTIONS; empty for CONNECT
  std::string protocol;    // extended CONNECT (RFC 8441): ":protocol"; else empty
  Headers headers;

  std::string_view path_only() const;  // without "?query"
  std::string_view query() const;      // without "?"; empty if none
};

struct ResponseHead {
  int status = 200;
  Headers headers;
};

// A whole message, for code that wants no streaming.
struct Request : RequestHead {
  std::string body;
};
struct Response : ResponseHead {
  std::string body;
  Headers trailers;
};

std::string_view reason_phrase(int status);

// The value of one query parameter, percent-decoded; the first of that name.
std::optional<std::string> query_parameter(std::string_view query, std::string_view name);
std::vector<std::string> query_parameters(std::string_view query, std::string_view name);
void remove_query_parameter(std::string& path, std::string_view name);  // each of that name; the "?" with the last one
std::optional<std::string> percent_decode(std::string_view text);
std::string percent_encode(std::string_view text);  // everything but RFC 3986's unreserved

}  // namespace http
