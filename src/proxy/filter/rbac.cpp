// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/rbac.h"

#include <re2/re2.h>

#include <algorithm>

#include "proxy/stream/stream.h"

namespace proxy {
namespace rbac {
namespace {

Doubt flipped(Doubt doubt) { return doubt == Doubt::Matches ? Doubt::Fails : Doubt::Matches; }

// A header that is there several times is read as each of its values and as all of them joined (RFC 9110, 5.3).
// With doubt that matches, one reading is enough; else the joined one must match, or every single one.
bool repeated_matches(const HeaderMatch& match, const http::RequestHead& request, Doubt doubt) {
  HeaderMatch plain = match;
  plain.invert = false;
  bool any = false, all = true;
  http::RequestHead one;
  for (auto field : request.headers) {
    if (field.name != match.name) continue;
    one.headers.set(match.name, field.value);
    bool matched = plain.matches(one);
    any |= matched;
    all &= matched;
  }
  one.headers.set(match.name, request.headers.joined(match.name));
  bool joined = plain.matches(one);
  if (match.invert) doubt = flipped(doubt);
  bool matched = doubt == Doubt::Matches ? any || joined : all || joined;
  return matched != match.invert;
}

bool header_matches(const HeaderMatch& match, const http::RequestHead& request, Doubt doubt) {
  if (match.kind == HeaderMatch::Kind::Present || match.name.starts_with(':') || request.headers.count(match.name) < 2)
    return match.matches(request);
  return repeated_matches(match, request, doubt);
}

std::string_view path_of(const http::RequestHead& request) {
  std::string_view path = request.path;
  return path.substr(0, path.find_first_of("?#"));
}

// As Envoy: a URI name, else a DNS name, else the subject. A certificate with several URI names names nobody for sure.
bool principal_matches(const std::optional<StringMatch>& match, const Origin& origin, Doubt doubt) {
  if (!origin.tls || !origin.mutual_tls) return false;
  if (!match) return true;
  auto fits = [&](const std::string& name) { return match->matches(name); };
  const auto& uris = origin.tls->uri_names;
  if (uris.size() > 1) return doubt == Doubt::Matches ? std::any_of(uris.begin(), uris.end(), fits) : false;
  if (uris.size() == 1) return fits(uris[0]);
  const auto& names = origin.tls->dns_names;
  if (!names.empty())
    return doubt == Doubt::Matches ? std::any_of(names.begin(), names.end(), fits)
                                   : std::all_of(names.begin(), names.end(), fits);
  return fits(origin.subject);
}

}  // namespace

bool Rule::matches(const Subject& subject, Doubt doubt) const {
  auto part_matches = [&](const Rule& part) { return part.matches(subject, doubt); };
  const Origin& origin = subject.origin;
  static const Metadata kNothing;
  switch (kind) {
    case Kind::And:
      return std::all_of(parts.begin(), parts.end(), part_matches);
    case Kind::Or:
      return std::any_of(parts.begin(), parts.end(), part_matches);
    case Kind::Not:
      return !parts[0].matches(subject, flipped(doubt));
    case Kind::Any:
      return true;
    case Kind::Header:
      return subject.request && header_matches(header, *subject.request, doubt);
    case Kind::Path:
      return subject.request && text->matches(path_of(*subject.request));
    case Kind::Template: {
      if (!subject.request) return false;
      std::string_view at = path_of(*subject.request);
      return re2::RE2::FullMatch(re2::StringPiece(at.data(), at.size()), *path);
    }
    case Kind::Destination:
      return range.contains(origin.local);
    case Kind::DestinationPort:
      return origin.local.port() >= port_from && origin.local.port() < port_below;
    case Kind::Peer:
      return range.contains(origin.direct);
    case Kind::Client:
      return range.contains(subject.client ? *subject.client : origin.remote);
    case Kind::ServerName:
      return text->matches(origin.server_name);
    case Kind::DynamicMetadata:
      return metadata.matches(subject.metadata ? *subject.metadata : kNothing);
    case Kind::RouteMetadata:
      return metadata.matches(subject.route_metadata ? *subject.route_metadata : kNothing);
    case Kind::Authenticated:
      return principal_matches(text, origin, doubt);
  }
  return false;
}

Ruleset::Outcome Ruleset::decide(const Subject& subject) const {
  Doubt doubt = action == Action::Allow ? Doubt::Fails : Doubt::Matches;
  auto fits = [&](const Rule& rule) { return rule.matches(subject, doubt); };
  for (const Policy& policy : policies) {
    if (!std::any_of(policy.permissions.begin(), policy.permissions.end(), fits)) continue;
    if (!std::any_of(policy.principals.begin(), policy.principals.end(), fits)) continue;
    return {.allowed = action != Action::Deny, .policy = &policy.name};
  }
  return {.allowed = action != Action::Allow};
}

}  // namespace rbac

static std::string details_of(const rbac::Ruleset::Outcome& outcome) {
  std::string out = "rbac_access_denied_matched_policy[";
  for (char c : outcome.policy ? *outcome.policy : std::string("none")) out += c == ' ' ? '_' : c;
  return out + "]";
}

// In Envoy's keys.
static void note(base::Json& metadata, const std::string& before, const rbac::Ruleset::Outcome& outcome) {
  metadata[before + "_engine_result"] = outcome.allowed ? "allowed" : "denied";
  if (outcome.policy) metadata[before + "_effective_policy_id"] = *outcome.policy;
}

Verdict RbacFilter::on_request(Stream& stream) const {
  const RbacPolicy* own = stream.policy<RbacPolicy>(*this);
  const RbacPolicy& policy = own ? *own : policy_;
  if (!policy.rules && !policy.shadow) return Continue{};
  net::Address client;
  if (policy.asks_client) client = stream.client_address();
  rbac::Subject subject{
      .origin = stream.origin(), .request = &stream.request, .metadata = &stream.metadata, .client = &client};
  if (stream.route()) subject.route_metadata = stream.route()->facts.get();

  if (policy.shadow) {
    auto outcome = policy.shadow->decide(subject);
    stream.worker().count(outcome.allowed ? counters_.shadow_allowed : counters_.shadow_denied);
    note(stream.metadata.space(name()), policy.shadow_prefix + "shadow", outcome);
  }
  if (!policy.rules) return Continue{};
  auto outcome = policy.rules->decide(subject);
  stream.worker().count(outcome.allowed ? counters_.allowed : counters_.denied);
  note(stream.metadata.space(name()), policy.rules_prefix + "enforced", outcome);
  if (policy.rules->action == rbac::Ruleset::Action::Log && outcome.policy)
    stream.metadata.space("envoy.common")["access_log_hint"] = true;
  if (outcome.allowed) return Continue{};
  return Reply{.status = 403, .body = "RBAC: access denied", .details = details_of(outcome)};
}

std::optional<std::string> RbacNetworkFilter::refuses(Worker& worker, const Origin& origin) const {
  rbac::Subject subject{.origin = origin, .metadata = &origin.metadata};
  if (policy_.shadow) {
    auto outcome = policy_.shadow->decide(subject);
    worker.count(outcome.allowed ? counters_.shadow_allowed : counters_.shadow_denied);
    note(origin.metadata.space(name()), policy_.shadow_prefix + "shadow", outcome);
  }
  if (!policy_.rules) return std::nullopt;
  auto outcome = policy_.rules->decide(subject);
  worker.count(outcome.allowed ? counters_.allowed : counters_.denied);
  if (policy_.rules->action == rbac::Ruleset::Action::Log && outcome.policy)
    origin.metadata.space("envoy.common")["access_log_hint"] = true;
  if (outcome.allowed) return std::nullopt;
  return details_of(outcome);
}

}  // namespace proxy
