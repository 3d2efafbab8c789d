// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "envoy/type/matcher/v3/metadata.pb.h"
#include "envoy/type/matcher/v3/string.pb.h"
#include "envoy/type/matcher/v3/value.pb.h"
#include "translate/route.h"

namespace translate {
namespace {

// "@request.auth.claims.group" reads a claim of the verified token.
constexpr std::string_view kClaims = "@request.auth.claims";

bool matches_any(const istio_api::StringMatch& match) {
  return match.match_type_case() == istio_api::StringMatch::MATCH_TYPE_NOT_SET ||
         (match.has_regex() && match.regex() == "*");
}

void add_header(routes_v3::RouteMatch& out, const std::string& name, const istio_api::StringMatch& match) {
  auto* header = out.add_headers();
  header->set_name(name);
  if (matches_any(match))
    header->set_present_match(true);
  else
    fill(*header->mutable_string_match(), match);
}

void add_without(routes_v3::RouteMatch& out, const std::string& name, const istio_api::StringMatch& match) {
  add_header(out, name, match);
  auto* header = out.mutable_headers(out.headers_size() - 1);
  header->set_invert_match(true);
  if (!header->has_present_match()) header->set_treat_missing_header_as_empty(true);
}

// "group" of "@request.auth.claims.group", or each piece of "[a][b]".
std::vector<std::string> claim_path(std::string_view name) {
  name.remove_prefix(kClaims.size());
  std::vector<std::string> out;
  if (name.starts_with('.')) {
    name.remove_prefix(1);
    for (size_t dot; (dot = name.find('.')) != std::string_view::npos; name.remove_prefix(dot + 1))
      out.emplace_back(name.substr(0, dot));
    out.emplace_back(name);
    return out;
  }
  for (size_t end; name.starts_with('[') && (end = name.find(']')) != std::string_view::npos;
       name.remove_prefix(end + 1))
    out.emplace_back(name.substr(1, end - 1));
  return out;
}

void add_claim(routes_v3::RouteMatch& out, std::string_view name, const istio_api::StringMatch& match, bool invert) {
  auto* metadata = out.add_dynamic_metadata();
  metadata->set_filter("envoy.filters.http.jwt_authn");
  metadata->add_path()->set_key("payload");
  for (std::string& piece : claim_path(name)) metadata->add_path()->set_key(std::move(piece));
  metadata->set_invert(invert);
  if (matches_any(match)) {
    metadata->mutable_value()->set_present_match(true);
    return;
  }
  auto* either = metadata->mutable_value()->mutable_or_match();
  fill(*either->add_value_matchers()->mutable_list_match()->mutable_one_of()->mutable_string_match(), match);
  fill(*either->add_value_matchers()->mutable_string_match(), match);
}

void fill_path(routes_v3::RouteMatch& out, const istio_api::HTTPMatchRequest& match) {
  switch (match.uri().match_type_case()) {
    case istio_api::StringMatch::kExact:
      out.set_path(match.uri().exact());
      break;
    case istio_api::StringMatch::kPrefix:
      out.set_prefix(match.uri().prefix());
      break;
    case istio_api::StringMatch::kRegex:
      if (match.uri().regex() == "*")  // no expression, and known to mean any
        out.set_prefix("/");
      else
        out.mutable_safe_regex()->set_regex(match.uri().regex());
      break;
    default:
      out.set_prefix("/");
      break;
  }
  out.mutable_case_sensitive()->set_value(!match.ignore_uri_case());
}

}  // namespace

void fill(matcher::StringMatcher& out, const istio_api::StringMatch& match) {
  if (match.has_exact())
    out.set_exact(match.exact());
  else if (match.has_prefix())
    out.set_prefix(match.prefix());
  else if (match.has_regex())
    out.mutable_safe_regex()->set_regex(match.regex() == "*" ? ".*" : match.regex());
}

void fill_match(routes_v3::RouteMatch& out, const istio_api::HTTPMatchRequest& match) {
  fill_path(out, match);
  std::map<std::string, std::pair<const istio_api::StringMatch*, bool>> headers;  // in order of their names
  for (const auto& [name, value] : match.headers()) headers[name] = {&value, false};
  for (const auto& [name, value] : match.without_headers()) headers[name] = {&value, true};
  for (const auto& [name, value] : headers) {
    const auto& [wanted, without] = value;
    if (name.starts_with(kClaims))
      add_claim(out, name, *wanted, without);
    else if (without)
      add_without(out, name, *wanted);
    else
      add_header(out, name, *wanted);
  }
  if (match.has_method()) add_header(out, ":method", match.method());
  if (match.has_authority()) add_header(out, ":authority", match.authority());
  if (match.has_scheme()) add_header(out, ":scheme", match.scheme());
  std::map<std::string, const istio_api::StringMatch*> queries;
  for (const auto& [name, value] : match.query_params()) queries[name] = &value;
  for (const auto& [name, value] : queries) {
    auto* query = out.add_query_parameters();
    query->set_name(name);
    if (matches_any(*value))
      query->set_present_match(true);
    else
      fill(*query->mutable_string_match(), *value);
  }
}

}  // namespace translate
