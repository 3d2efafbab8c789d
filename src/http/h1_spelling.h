// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace http::h1 {

// How the names of fields are written for peers that, against RFC 9110 section 5.1, mind their case. Messages hold
// them in lower case; a spelling changes letters of a head that is written already, and never its length.
class Spelling {
 public:
  enum class Unknown : uint8_t { Lower, Proper };  // "x-id" or "X-Id", of a name that was not learned

  Spelling(bool learns, Unknown unknown) : learns_(learns), unknown_(unknown) {}

  // Of `rule`, which may be none: with the names of the head (its first line included) or trailers that `text` is.
  // nullptr where the rule learns nothing.
  static std::unique_ptr<Spelling> learned(const std::optional<Spelling>& rule, std::string_view text);
  // What to write with: what was learned, else the rule of one that does not learn, else nullptr. As Envoy: a message
  // that nobody sent (a reply of the proxy) is in lower case where the rule is to learn.
  static const Spelling* chosen(const Spelling* learned, const std::optional<Spelling>& rule);

  // Respells the names in what a serializer wrote: a line that has none, then fields.
  void respell(char* begin, char* end) const;

 private:
  const std::string* find(std::string_view lower) const;

  bool learns_;
  Unknown unknown_;
  std::vector<std::string> names_;  // those that are not in lower case
};

}  // namespace http::h1
