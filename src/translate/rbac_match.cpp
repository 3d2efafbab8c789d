// SPDX-License-Identifier: Apache-2.0
#include "translate/rbac_match.h"

#include "base/strings.h"
#include "envoy/config/core/v3/address.pb.h"
#include "envoy/extensions/path/match/uri_template/v3/uri_template_match.pb.h"

namespace translate {
namespace {

void set_regex(matcher::StringMatcher& out, std::string regex) {
  out.mutable_safe_regex()->set_regex(std::move(regex));
}

void set_cidr(core::CidrRange& out, std::string_view value) {
  auto parts = base::cut(value, '/');
  std::string_view address = parts ? parts->first : value;
  uint32_t whole = address.find(':') == std::string_view::npos ? 32 : 128;
  out.set_address_prefix(std::string(address));
  out.mutable_prefix_len()->set_value(parts ? base::parse_number<uint32_t>(parts->second).value_or(whole) : whole);
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (size_t at; (at = text.find(from)) != std::string_view::npos; text.remove_prefix(at + from.size()))
    out.append(text.substr(0, at)).append(to);
  return out.append(text);
}

// A literal inside a regular expression, where '*' means anything.
std::string pattern_of(std::string_view value) {
  std::string out;
  for (char c : value) {
    if (c == '*') {
      out += ".*";
    } else {
      if (std::string_view(".+?()[]{}|^$\\").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out;
}

void match_header(envoy::config::route::v3::HeaderMatcher& out, const char* name, std::string_view value) {
  out.set_name(name);
  match_text(*out.mutable_string_match(), value);
}

matcher::MetadataMatcher& token(rbac_v3::Principal& out, const std::vector<std::string>& path) {
  auto& metadata = *out.mutable_metadata();
  metadata.set_filter("envoy.filters.http.jwt_authn");
  metadata.add_path()->set_key("payload");
  for (const std::string& piece : path) metadata.add_path()->set_key(piece);
  return metadata;
}

}  // namespace

void match_text(matcher::StringMatcher& out, std::string_view value) {
  if (value == "*")
    set_regex(out, ".+");
  else if (value.starts_with('*'))
    out.set_suffix(std::string(value.substr(1)));
  else if (value.ends_with('*'))
    out.set_prefix(std::string(value.substr(0, value.size() - 1)));
  else
    out.set_exact(std::string(value));
}

namespace permission {

void host(rbac_v3::Permission& out, std::string_view value) {
  match_header(*out.mutable_header(), ":authority", value);
  out.mutable_header()->mutable_string_match()->set_ignore_case(value != "*");
}

void method(rbac_v3::Permission& out, std::string_view value) { match_header(*out.mutable_header(), ":method", value); }

void path(rbac_v3::Permission& out, std::string_view value) {
  if (value.find('{') == std::string_view::npos) {
    match_text(*out.mutable_url_path()->mutable_path(), value);
    return;
  }
  envoy::extensions::path::match::uri_template::v3::UriTemplateMatchConfig config;
  config.set_path_template(replaced(replaced(value, "{**}", "**"), "{*}", "*"));
  out.mutable_uri_template()->set_name("uri-template");
  pack(config, out.mutable_uri_template()->mutable_typed_config());
}

void port(rbac_v3::Permission& out, std::string_view value) {
  out.set_destination_port(base::parse_number<uint32_t>(value).value_or(0));
}

void ip(rbac_v3::Permission& out, std::string_view value) { set_cidr(*out.mutable_destination_ip(), value); }

void sni(rbac_v3::Permission& out, std::string_view value) { match_text(*out.mutable_requested_server_name(), value); }

}  // namespace permission

namespace principal {

void identity(rbac_v3::Principal& out, std::string_view value) {
  auto& name = *out.mutable_authenticated()->mutable_principal_name();
  if (value == "*")
    set_regex(name, ".+");
  else if (value.starts_with('*'))
    set_regex(name, "spiffe://.*" + pattern_of(value.substr(1)));
  else if (value.ends_with('*'))
    name.set_prefix("spiffe://" + std::string(value.substr(0, value.size() - 1)));
  else
    name.set_exact("spiffe://" + std::string(value));
}

void ns(rbac_v3::Principal& out, std::string_view value) {
  set_regex(*out.mutable_authenticated()->mutable_principal_name(), ".*/ns/" + pattern_of(value) + "/.*");
}

void service_account(rbac_v3::Principal& out, std::string_view value) {
  auto parts = base::cut(value, '/');
  std::string regex =
      "spiffe://.+/ns/" + pattern_of(parts ? parts->first : "*") + "/sa/" + pattern_of(parts ? parts->second : value);
  set_regex(*out.mutable_authenticated()->mutable_principal_name(), std::move(regex));
}

void direct_ip(rbac_v3::Principal& out, std::string_view value) { set_cidr(*out.mutable_direct_remote_ip(), value); }

void remote_ip(rbac_v3::Principal& out, std::string_view value) { set_cidr(*out.mutable_remote_ip(), value); }

void request_identity(rbac_v3::Principal& out, std::string_view value) {
  size_t slash = value.rfind('/');
  std::string_view issuer = slash == std::string_view::npos ? value : value.substr(0, slash);
  std::string_view subject = slash == std::string_view::npos ? "*" : value.substr(slash + 1);
  auto& both = *out.mutable_and_ids();
  match_text(*token(*both.add_ids(), {"iss"}).mutable_value()->mutable_string_match(), issuer);
  match_text(*token(*both.add_ids(), {"sub"}).mutable_value()->mutable_string_match(), subject);
}

void header(rbac_v3::Principal& out, const std::string& name, std::string_view value) {
  auto& match = *out.mutable_header();
  match.set_name(name);
  if (value == "*")
    match.set_present_match(true);
  else
    match_text(*match.mutable_string_match(), value);
}

void claim(rbac_v3::Principal& out, const std::vector<std::string>& path, std::string_view value) {
  auto& either = *token(out, path).mutable_value()->mutable_or_match();
  match_text(*either.add_value_matchers()->mutable_list_match()->mutable_one_of()->mutable_string_match(), value);
  match_text(*either.add_value_matchers()->mutable_string_match(), value);
}

}  // namespace principal
}  // namespace translate
