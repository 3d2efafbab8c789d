// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace re2 {
class RE2;
}

namespace proxy {

class Metadata;

// One string condition of xDS, compiled; regular expressions match the whole text.
struct StringMatch {
  enum class Kind : uint8_t { Exact, Prefix, Suffix, Contains, Regex };
  Kind kind = Kind::Exact;
  bool ignore_case = false;
  std::string value;  // lower case where the case is ignored
  std::shared_ptr<const re2::RE2> regex;

  bool matches(std::string_view text) const;
};

// What a route's match may look at beside the request itself.
struct Facts {
  uint32_t dice = 0;                   // a random number
  const Metadata* metadata = nullptr;  // what filters wrote so far
  bool certificate_presented = false;  // by the downstream peer
  bool certificate_validated = false;
};

// One condition on a header; of repeated headers, one whose value matches is enough (as Envoy).
struct HeaderMatch {
  enum class Kind : uint8_t { Value, Present, Range };
  std::string name;  // lower case; ":method", ":path", ":authority" and ":scheme" too
  Kind kind = Kind::Present;
  StringMatch value;
  int64_t range_start = 0, range_end = 0;  // end exclusive
  bool present = true;                     // Kind::Present: it must be there, or must not
  bool invert = false;
  bool missing_is_empty = false;

  bool matches(const http::RequestHead& request) const;
  bool matches(const http::ResponseHead& response) const;  // ":status" too
  // `found`: the header's value, or nullopt where the message has none.
  bool takes(std::optional<std::string_view> found) const;

 private:
  bool one_matches(const http::Headers& headers) const;  // of several fields of the name
};

// The value as it is written, without percent-decoding (as Envoy matches it).
struct QueryMatch {
  std::string name;
  std::optional<StringMatch> value;  // none: it must be there
  bool present = true;

  bool matches(const http::RequestHead& request) const;
};

struct PathMatch {
  enum class Kind : uint8_t { Prefix, Exact, SeparatedPrefix, Regex, Connect };
  Kind kind = Kind::Prefix;
  bool ignore_case = false;
  std::string value;  // lower case where the case is ignored
  std::shared_ptr<const re2::RE2> regex;

  // `path` is without the query.
  bool matches(const http::RequestHead& request, std::string_view path) const;
};

// A header of the request, with the pseudo-headers under their HTTP/2 names.
// `joined` holds the text where several values had to be put together.
std::optional<std::string_view> header_of(const http::RequestHead& request, std::string_view lower_name,
                                          std::string& joined);

// "application/grpc", or that and a message format or parameters.
bool is_grpc_type(std::string_view content_type);

}  // namespace proxy
