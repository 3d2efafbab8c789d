// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "identity/jwks.h"
#include "proxy/filter/filter.h"
#include "proxy/filter/jwks_cache.h"
#include "proxy/route/route.h"

namespace proxy {

// Who issues tokens, where requests carry them, and what becomes of them.
struct JwtProvider {
  struct Place {
    enum class Kind : uint8_t { Header, Query, Cookie };
    Kind kind = Kind::Header;
    std::string name, prefix;
    bool operator==(const Place&) const = default;
  };
  struct ClaimHeader {
    std::string header;
    std::vector<std::string> claim;  // the path to it
  };
  std::string name, issuer;  // issuer empty: any
  std::vector<std::string> audiences;
  std::optional<StringMatch> subjects;
  bool needs_expiry = false;
  std::optional<std::chrono::seconds> longest_life;
  std::chrono::seconds skew{60};
  std::vector<Place> places;
  bool forward = false;
  std::string payload_header;
  bool pad_payload = false;
  std::string payload_key, header_key, failure_key;  // in the dynamic metadata; empty: not there
  std::vector<std::string> space_delimited;          // claims that go there as lists
  std::vector<ClaimHeader> claim_headers;
  bool clear_route_cache = false;
  std::optional<identity::Jwks> local;
  std::optional<RemoteKeys> remote;
};

// What a request must bring along: a tree.
struct JwtRequirement {
  enum class Kind : uint8_t { None, Provider, Any, All, AllowMissing, AllowMissingOrFailed };
  static bool lets_pass(Kind kind) { return kind == Kind::AllowMissing || kind == Kind::AllowMissingOrFailed; }
  Kind kind = Kind::None;
  size_t provider = 0;
  std::optional<std::vector<std::string>> audiences;  // in place of the provider's
  std::vector<JwtRequirement> parts;
  std::vector<size_t> providers;  // AllowMissing...: all
};

struct JwtRule {
  Route match;  // its conditions alone
  JwtRequirement requirement;
};

// What a route says in place of the rules.
struct JwtPolicy final : FilterPolicy {
  bool off = false;
  Slot requirement = kNone;  // the number of its name
  std::string name;
};

struct JwtConfig {
  std::vector<JwtProvider> providers;
  std::vector<JwtRule> rules;
  std::vector<std::pair<Slot, JwtRequirement>> named;
  std::string names;  // of the named ones, for an error's text
  bool bypass_preflight = false;
  bool bare_failures = false;  // no body, no www-authenticate
  Slot allowed = kNone, denied = kNone, bypassed = kNone;
};

// Verifies JSON Web Tokens (RFC 7519); answers 401, or 403 for a wrong
// audience, in Envoy's words.
class JwtFilter final : public Filter {
 public:
  explicit JwtFilter(JwtConfig config) : config_(std::move(config)) {}
  std::string_view name() const override { return "envoy.filters.http.jwt_authn"; }
  Verdict on_request(Stream& stream) const override;

 private:
  struct State;
  Verdict verify(Stream& stream, const JwtRequirement& requirement) const;
  Verdict deny(Stream& stream, std::string_view problem) const;
  JwtConfig config_;
};

}  // namespace proxy
