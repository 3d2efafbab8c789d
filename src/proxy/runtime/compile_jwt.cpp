// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>

#include "base/log.h"
#include "envoy/extensions/filters/http/jwt_authn/v3/config.pb.h"
#include "proxy/filter/jwt.h"
#include "proxy/runtime/compile_filters.h"

namespace proxy {
namespace {

namespace v3 = envoy::extensions::filters::http::jwt_authn::v3;
using google::protobuf::Any;

std::unexpected<base::Error> refuse(const std::string& why) {
  return base::fail(base::ErrorKind::Invalid, "jwt_authn: " + why);
}

void add_places(const v3::JwtProvider& from, JwtProvider& out) {
  using Kind = JwtProvider::Place::Kind;
  for (const auto& header : from.from_headers())
    out.places.push_back({Kind::Header, base::to_lower(header.name()), header.value_prefix()});
  for (const std::string& name : from.from_params()) out.places.push_back({Kind::Query, name, {}});
  for (const std::string& name : from.from_cookies()) out.places.push_back({Kind::Cookie, name, {}});
  // As Envoy looks at them: by name, headers before parameters before cookies.
  std::stable_sort(out.places.begin(), out.places.end(), [](const auto& a, const auto& b) {
    return std::pair(a.kind, a.name + a.prefix) < std::pair(b.kind, b.name + b.prefix);
  });
  if (!out.places.empty()) return;
  out.places.push_back({Kind::Header, "authorization", "Bearer "});
  out.places.push_back({Kind::Query, "access_token", {}});
}

Slot counter_of(const Compiler& compiler, const std::string& leaf) {
  std::string scope = "http.{envoy_http_conn_manager_prefix}.jwt_authn.";
  for (char c : leaf) scope += c == '{' || c == '}' ? '_' : c;
  return compiler.slots.counter(telemetry::StatName(scope, {compiler.stat_prefix}));
}

base::Result<RemoteKeys> remote_of(const Compiler& compiler, const std::string& name, const v3::RemoteJwks& from) {
  const auto& uri = from.http_uri();
  if (uri.cluster().empty()) return refuse("provider " + name + ": remote_jwks without a cluster");
  if (!uri.has_timeout()) return refuse("provider " + name + ": remote_jwks without a timeout");
  RemoteKeys out;
  std::string_view rest = uri.uri();
  if (size_t scheme = rest.find("://"); scheme != rest.npos) rest.remove_prefix(scheme + 3);
  size_t slash = rest.find('/');
  out.authority = rest.substr(0, slash);
  out.path = slash == rest.npos ? "/" : rest.substr(slash);
  if (out.authority.empty()) return refuse("provider " + name + ": remote_jwks with the URI \"" + uri.uri() + "\"");
  if (from.has_cache_duration()) out.keep = milliseconds_of(from.cache_duration());
  if (out.keep.count() <= 0) return refuse("provider " + name + ": remote_jwks with a cache_duration of nothing");
  out.background = from.has_async_fetch();
  if (from.async_fetch().has_failed_refetch_duration())
    out.retry_after =
        std::max(milliseconds_of(from.async_fetch().failed_refetch_duration()), std::chrono::milliseconds(100));
  SideTarget::Options options{.cluster = compiler.slots.cluster(uri.cluster()),
                              .timeout = milliseconds_of(uri.timeout())};
  if (from.has_retry_policy()) options.retry = TRY(side_retry_of(from.retry_policy()));
  out.target = SideTarget::make(std::move(options));
  out.cache = compiler.slots.worker_state("jwks:" + uri.cluster() + " " + uri.uri());
  out.fetched = counter_of(compiler, "jwks_fetch_success");
  out.failed = counter_of(compiler, "jwks_fetch_failed");
  return out;
}

base::Result<JwtProvider> provider_of(const Compiler& compiler, const std::string& name, const v3::JwtProvider& from) {
  JwtProvider out;
  out.name = name;
  out.issuer = from.issuer();
  out.audiences.assign(from.audiences().begin(), from.audiences().end());
  if (from.has_subjects()) out.subjects = TRY(compile(from.subjects()));
  out.needs_expiry = from.require_expiration();
  if (from.has_max_lifetime())
    out.longest_life = std::chrono::duration_cast<std::chrono::seconds>(milliseconds_of(from.max_lifetime()));
  if (from.clock_skew_seconds()) out.skew = std::chrono::seconds(from.clock_skew_seconds());
  add_places(from, out);
  out.forward = from.forward();
  out.payload_header = base::to_lower(from.forward_payload_header());
  out.pad_payload = from.pad_forward_payload_header();
  out.payload_key = from.payload_in_metadata();
  out.header_key = from.header_in_metadata();
  out.failure_key = from.failed_status_in_metadata();
  out.space_delimited.assign(from.normalize_payload_in_metadata().space_delimited_claims().begin(),
                             from.normalize_payload_in_metadata().space_delimited_claims().end());
  for (const auto& claim : from.claim_to_headers()) {
    JwtProvider::ClaimHeader mapped{.header = base::to_lower(claim.header_name())};
    for (std::string_view key : base::split(claim.claim_name(), '.')) mapped.claim.emplace_back(key);
    if (mapped.header.empty() || mapped.header.starts_with(':') || mapped.header == "host" ||
        claim.claim_name().empty())
      return refuse("provider " + name + ": claim_to_headers to \"" + mapped.header + "\"");
    out.claim_headers.push_back(std::move(mapped));
  }
  out.clear_route_cache = from.clear_route_cache();
  if (from.has_jwt_cache_config())
    base::log::warn("jwt_authn: provider {}: jwt_cache_config has no effect; every token is verified", name);
  if (from.has_remote_jwks()) {
    out.remote = TRY(remote_of(compiler, name, from.remote_jwks()));
  } else if (from.has_local_jwks()) {
    auto keys = identity::Jwks::parse(TRY(compile(from.local_jwks())));
    if (!keys && keys.error().kind == base::ErrorKind::NotFound) {
      base::log::warn("jwt_authn: provider {}: symmetric keys are never taken: no token of it is accepted",
                      base::printable(name));
      keys = identity::Jwks();
    }
    if (!keys) return refuse("provider " + name + ": " + keys.error().message);
    out.local = std::move(*keys);
  } else {
    return refuse("provider " + name + " has no keys");
  }
  return out;
}

struct Requirements {
  std::map<std::string, size_t, std::less<>> providers;  // by name

  base::Result<size_t> provider(const std::string& name) const {
    auto it = providers.find(name);
    if (it == providers.end()) return refuse("Required provider ['" + name + "'] is not configured");
    return it->second;
  }

  base::Result<JwtRequirement> compile(const v3::JwtRequirement& from) const {
    using Kind = JwtRequirement::Kind;
    JwtRequirement out;
    auto speaks_of = [&](Kind kind) {
      out.kind = kind;
      for (const auto& [name, index] : providers) out.providers.push_back(index);
    };
    switch (from.requires_type_case()) {
      case v3::JwtRequirement::kProviderName:
        out.kind = Kind::Provider;
        out.provider = TRY(provider(from.provider_name()));
        break;
      case v3::JwtRequirement::kProviderAndAudiences: {
        out.kind = Kind::Provider;
        out.provider = TRY(provider(from.provider_and_audiences().provider_name()));
        const auto& audiences = from.provider_and_audiences().audiences();
        out.audiences.emplace(audiences.begin(), audiences.end());
        break;
      }
      case v3::JwtRequirement::kRequiresAny: {
        out.kind = Kind::Any;
        for (const auto& part : from.requires_any().requirements()) out.parts.push_back(TRY(compile(part)));
        if (out.parts.empty()) return refuse("requires_any of nothing");
        // What lets requests without a token pass is asked last: a good token is to be taken first.
        std::stable_partition(out.parts.begin(), out.parts.end(),
                              [](const JwtRequirement& part) { return !JwtRequirement::lets_pass(part.kind); });
        break;
      }
      case v3::JwtRequirement::kRequiresAll:
        out.kind = Kind::All;
        for (const auto& part : from.requires_all().requirements()) out.parts.push_back(TRY(compile(part)));
        if (out.parts.empty()) return refuse("requires_all of nothing");
        break;
      case v3::JwtRequirement::kAllowMissing:
        speaks_of(Kind::AllowMissing);
        break;
      case v3::JwtRequirement::kAllowMissingOrFailed:
        speaks_of(Kind::AllowMissingOrFailed);
        break;
      default:
        break;  // nothing is required
    }
    return out;
  }
};

base::Result<std::shared_ptr<Filter>> jwt_filter(const Compiler& compiler, const Any& any) {
  auto from = TRY(unpack_strictly<v3::JwtAuthentication>(any));
  if (!from.filter_state_rules().name().empty()) return refuse("filter_state_rules is not known");
  JwtConfig out;
  Requirements requirements;
  std::map<std::string, const v3::JwtProvider*> in_order;
  for (const auto& [name, provider] : from.providers()) in_order[name] = &provider;
  for (const auto& [name, provider] : in_order) {
    requirements.providers[name] = out.providers.size();
    out.providers.push_back(TRY(provider_of(compiler, name, *provider)));
  }
  std::map<std::string, JwtRequirement> named;
  for (const auto& [name, requirement] : from.requirement_map()) named[name] = TRY(requirements.compile(requirement));
  for (const auto& rule : from.rules()) {
    JwtRule compiled;
    TRY(compile_match_into(rule.match(), compiled.match));
    if (rule.has_requires_()) compiled.requirement = TRY(requirements.compile(rule.requires_()));
    if (!rule.requirement_name().empty()) {
      auto it = named.find(rule.requirement_name());
      if (it == named.end()) return refuse("Wrong requirement_name: " + rule.requirement_name());
      compiled.requirement = it->second;
    }
    out.rules.push_back(std::move(compiled));
  }
  for (auto& [name, requirement] : named) {
    out.names += (out.names.empty() ? "" : ",") + name;
    out.named.emplace_back(compiler.slots.worker_state("jwt requirement:" + name), std::move(requirement));
  }
  out.bypass_preflight = from.bypass_cors_preflight();
  out.bare_failures = from.strip_failure_response();
  const std::string prefix = from.stat_prefix().empty() ? "" : from.stat_prefix() + "_";
  out.allowed = counter_of(compiler, prefix + "allowed");
  out.denied = counter_of(compiler, prefix + "denied");
  out.bypassed = counter_of(compiler, prefix + "cors_preflight_bypassed");
  return std::make_shared<JwtFilter>(std::move(out));
}

base::Result<std::shared_ptr<const FilterPolicy>> jwt_policy(const Compiler& compiler, const Any& any) {
  auto from = TRY(unpack_strictly<v3::PerRouteConfig>(any));
  auto out = std::make_shared<JwtPolicy>();
  out->off = from.disabled();
  out->name = from.requirement_name();
  if (!out->off && out->name.empty()) return refuse("a route's configuration that names no requirement");
  out->requirement = compiler.slots.worker_state("jwt requirement:" + out->name);
  return out;
}

}  // namespace

const FilterKind kJwtFilter{"envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication", jwt_filter,
                            "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig", jwt_policy};

}  // namespace proxy
