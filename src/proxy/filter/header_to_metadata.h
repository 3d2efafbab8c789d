// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/json.h"
#include "proxy/filter/filter.h"
#include "proxy/route/route.h"

namespace proxy {

// Copies headers and cookies into dynamic metadata, for routes, logs and other filters.
struct HeaderToMetadata final : FilterPolicy {
  enum class Type : uint8_t { Text, Number, Value };
  struct Write {
    std::string space, key;
    std::string value;  // empty: the header's
    std::optional<RegexRewrite> rewrite;
    Type type = Type::Text;
    bool base64 = false;
  };
  struct Rule {
    std::string header;  // lower case; or
    std::string cookie;
    std::optional<Write> present, missing;
    bool remove = false;
  };
  std::vector<Rule> request, response;
};

class HeaderToMetadataFilter final : public Filter {
 public:
  explicit HeaderToMetadataFilter(std::shared_ptr<const HeaderToMetadata> rules) : rules_(std::move(rules)) {}
  std::string_view name() const override { return "envoy.filters.http.header_to_metadata"; }
  Verdict on_request(Stream& stream) const override;
  void on_response(Stream& stream, http::ResponseHead& head) const override;

 private:
  const HeaderToMetadata& rules_of(const Stream& stream) const;
  std::shared_ptr<const HeaderToMetadata> rules_;
};

// Writes fixed values into dynamic metadata.
class SetMetadataFilter final : public Filter {
 public:
  struct Entry {
    std::string space;
    base::Json value;
    bool allow_overwrite = false;
  };
  explicit SetMetadataFilter(std::vector<Entry> entries) : entries_(std::move(entries)) {}
  std::string_view name() const override { return "envoy.filters.http.set_metadata"; }
  Verdict on_request(Stream& stream) const override;

 private:
  const std::vector<Entry> entries_;
};

}  // namespace proxy
