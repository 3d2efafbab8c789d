// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/header_to_metadata.h"

#include <re2/re2.h>

#include <cmath>

#include "base/strings.h"
#include "proxy/filter/cookie.h"
#include "proxy/stream/stream.h"

namespace proxy {
namespace {

using Type = HeaderToMetadata::Type;

void write(const HeaderToMetadata::Write& to, std::string value, Metadata& metadata) {
  if (!to.value.empty()) {
    value = to.value;
  } else if (to.rewrite) {
    re2::RE2::GlobalReplace(&value, *to.rewrite->pattern, to.rewrite->substitution);
  }
  if (value.empty()) return;
  if (to.base64) {
    auto decoded = base::from_base64(value);
    if (!decoded) return;
    value = std::move(*decoded);
  }
  if (to.type == Type::Number) {
    char* end = nullptr;
    double number = std::strtod(value.c_str(), &end);
    if (*end || !std::isfinite(number)) return;  // as Envoy: not a number, not written
    metadata.space(to.space)[to.key] = number;
    return;
  }
  for (char c : value)  // JSON holds text
    if (static_cast<unsigned char>(c) >= 0x80) return;
  metadata.space(to.space)[to.key] = std::move(value);
}

void apply(const std::vector<HeaderToMetadata::Rule>& rules, http::Headers& headers, Metadata& metadata) {
  for (const auto& rule : rules) {
    std::optional<std::string> value;
    if (!rule.cookie.empty()) {
      if (auto cookie = cookie_of(headers, rule.cookie)) value = std::string(*cookie);
    } else if (headers.contains(rule.header)) {
      value = headers.joined(rule.header);
    }
    if (value) {
      if (rule.present && (!value->empty() || !rule.present->value.empty()))
        write(*rule.present, std::move(*value), metadata);
      if (rule.remove && rule.cookie.empty()) headers.remove(rule.header);
    } else if (rule.missing) {
      write(*rule.missing, {}, metadata);
    }
  }
}

}  // namespace

const HeaderToMetadata& HeaderToMetadataFilter::rules_of(const Stream& stream) const {
  const auto* own = stream.policy<HeaderToMetadata>(*this);
  return own ? *own : *rules_;
}

Verdict HeaderToMetadataFilter::on_request(Stream& stream) const {
  apply(rules_of(stream).request, stream.request.headers, stream.metadata);
  return Continue{};
}

void HeaderToMetadataFilter::on_response(Stream& stream, http::ResponseHead& head) const {
  apply(rules_of(stream).response, head.headers, stream.metadata);
}

Verdict SetMetadataFilter::on_request(Stream& stream) const {
  for (const Entry& entry : entries_) {
    if (!entry.allow_overwrite && stream.metadata.find(entry.space, {})) continue;
    stream.metadata.merge(entry.space, entry.value);
  }
  return Continue{};
}

}  // namespace proxy
