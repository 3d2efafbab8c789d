// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "envoy/extensions/filters/http/header_to_metadata/v3/header_to_metadata.pb.h"
#include "envoy/extensions/filters/http/set_metadata/v3/set_metadata.pb.h"
#include "proxy/filter/header_to_metadata.h"
#include "proxy/runtime/compile_filters.h"

namespace proxy {
namespace {

namespace v3 = envoy::extensions::filters::http::header_to_metadata::v3;
using google::protobuf::Any;

auto refuse(std::string message) {
  return std::unexpected(base::Error{.kind = base::ErrorKind::Invalid, .message = std::move(message)});
}

base::Result<HeaderToMetadata::Write> write_of(const v3::Config::KeyValuePair& from) {
  HeaderToMetadata::Write out{.space = from.metadata_namespace(), .key = from.key(), .value = from.value()};
  if (out.space.empty()) out.space = "envoy.filters.http.header_to_metadata";
  if (out.key.empty()) return refuse("a rule without a key");
  if (from.has_regex_value_rewrite()) {
    if (!out.value.empty()) return refuse("a rule with both value and regex_value_rewrite");
    RegexRewrite rewrite{.substitution = from.regex_value_rewrite().substitution()};
    rewrite.pattern = TRY(compile_regex(from.regex_value_rewrite().pattern().regex()));
    out.rewrite = std::move(rewrite);
  }
  if (from.type() == v3::Config::NUMBER) out.type = HeaderToMetadata::Type::Number;
  if (from.type() == v3::Config::PROTOBUF_VALUE) return refuse("type PROTOBUF_VALUE is not known");
  out.base64 = from.encode() == v3::Config::BASE64;
  return out;
}

base::Result<std::vector<HeaderToMetadata::Rule>> rules_of(
    const google::protobuf::RepeatedPtrField<v3::Config::Rule>& from) {
  std::vector<HeaderToMetadata::Rule> out;
  for (const auto& rule : from) {
    HeaderToMetadata::Rule made{
        .header = base::to_lower(rule.header()), .cookie = rule.cookie(), .remove = rule.remove()};
    if (made.header.empty() == made.cookie.empty())
      return refuse("One of Cookie or Header option needs to be specified");
    if (!rule.has_on_header_present() && !rule.has_on_header_missing())
      return refuse("header to metadata filter: rule for header '" + rule.header() +
                    "' has neither `on_header_present` nor `on_header_missing` set");
    if (rule.has_on_header_present()) made.present = TRY(write_of(rule.on_header_present()));
    if (rule.has_on_header_missing()) {
      made.missing = TRY(write_of(rule.on_header_missing()));
      if (made.missing->value.empty()) return refuse("Cannot specify on_header_missing rule with an empty value");
    }
    if (made.remove && !made.cookie.empty()) return refuse("Cannot specify remove for cookie rule");
    out.push_back(std::move(made));
  }
  return out;
}

base::Result<std::shared_ptr<const HeaderToMetadata>> config_of(const Any& any) {
  auto from = TRY(unpack<v3::Config>(any));
  auto out = std::make_shared<HeaderToMetadata>();
  out->request = TRY(rules_of(from.request_rules()));
  out->response = TRY(rules_of(from.response_rules()));
  if (!from.stat_prefix().empty())
    base::log::warn("header_to_metadata: stat_prefix changes nothing: the filter counts nothing");
  return out;
}

base::Result<std::shared_ptr<Filter>> header_filter(const Compiler&, const Any& any) {
  return std::make_shared<HeaderToMetadataFilter>(TRY(config_of(any)));
}
base::Result<std::shared_ptr<const FilterPolicy>> header_policy(const Compiler&, const Any& any) {
  return std::shared_ptr<const FilterPolicy>(TRY(config_of(any)));
}

base::Result<std::shared_ptr<Filter>> set_filter(const Compiler&, const Any& any) {
  auto from = TRY(unpack<envoy::extensions::filters::http::set_metadata::v3::Config>(any));
  std::vector<SetMetadataFilter::Entry> out;
  if (from.has_value()) out.push_back({from.metadata_namespace(), json_of(from.value()), true});
  for (const auto& entry : from.metadata()) {
    if (entry.has_typed_value()) return refuse("metadata.typed_value is not known");
    out.push_back({entry.metadata_namespace(), json_of(entry.value()), entry.allow_overwrite()});
  }
  return std::make_shared<SetMetadataFilter>(std::move(out));
}

}  // namespace

const FilterKind kHeaderToMetadataFilter{"envoy.extensions.filters.http.header_to_metadata.v3.Config", header_filter,
                                         "envoy.extensions.filters.http.header_to_metadata.v3.Config", header_policy};
const FilterKind kSetMetadataFilter{"envoy.extensions.filters.http.set_metadata.v3.Config", set_filter, {}};

}  // namespace proxy
