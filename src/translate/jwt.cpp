// SPDX-License-Identifier: Apache-2.0
#include "translate/jwt.h"

#include <algorithm>

#include "envoy/extensions/filters/http/jwt_authn/v3/config.pb.h"

namespace translate {
namespace {

namespace jwt_v3 = envoy::extensions::filters::http::jwt_authn::v3;
using config::security::JWTRule;

// A key whose private half was thrown away: Envoy refuses an empty set, and
// with this one no token is right.
constexpr const char* kNobodysKey =
    R"({"keys":[{"kty":"RSA","alg":"RS256","kid":"nobody","e":"AQAB","n":"xRBCTCeJyW-e3ZGEI57I9hjY05K57g4uCKLSBzHbZVE_)"
    R"(ogWFuhvT7xGhQ81Ybx1AU-EVDRQBPyha4jtyKshT5Ehkq9KgVCVKS1F1SBB6Pg_uDBRwikczieAI72tbC4cvt6BoCx5Qm6ijWq_FvGDWMHbU)"
    R"(wCYd4F7-oKfPL3C4CKh4R9xgtoLqFRCZNPoYhYleayidrlAE3rAHTGCJGmycEl-bXIqoLwWCMYolrlMxvYIlUAY8Sw48ikGiaerxmzdS2Tz4)"
    R"(vKE3QnesloS6fE4iex30T-Fip81x4cOm7nruMd3USDLPYbLhYev_3uhSM0gw1X5gYJfD4urCPI9BNu1gfQ"}]})";

// The keys in the rule, or those fetched from its jwksUri.
std::string keys_of(const JWTRule& rule, const mesh::View& view) {
  if (!rule.jwks().empty()) return rule.jwks();
  const std::string* fetched = view.jwks(rule.jwks_uri());
  return fetched ? *fetched : kNobodysKey;
}

jwt_v3::JwtProvider provider_of(const JWTRule& rule, const mesh::View& view) {
  jwt_v3::JwtProvider out;
  out.set_issuer(rule.issuer());
  for (const std::string& audience : rule.audiences()) out.add_audiences(audience);
  out.mutable_local_jwks()->set_inline_string(keys_of(rule, view));
  out.set_forward(rule.forward_original_token());
  for (const auto& header : rule.from_headers()) {
    auto* from = out.add_from_headers();
    from->set_name(header.name());
    from->set_value_prefix(header.prefix());
  }
  for (const std::string& param : rule.from_params()) out.add_from_params(param);
  for (const std::string& cookie : rule.from_cookies()) out.add_from_cookies(cookie);
  out.set_forward_payload_header(rule.output_payload_to_header());
  for (const auto& claim : rule.output_claim_to_headers()) {
    auto* to = out.add_claim_to_headers();
    to->set_header_name(claim.header());
    to->set_claim_name(claim.claim());
  }
  out.set_payload_in_metadata("payload");
  out.mutable_normalize_payload_in_metadata()->add_space_delimited_claims("permission");
  out.mutable_normalize_payload_in_metadata()->add_space_delimited_claims("scope");
  return out;
}

// Any of the providers, or no token at all.
void require(jwt_v3::JwtRequirement& out, int providers) {
  auto& any = *out.mutable_requires_any();
  if (providers == 1) {
    any.add_requirements()->set_provider_name("origins-0");
    any.add_requirements()->mutable_allow_missing();
    return;
  }
  for (int i = 0; i < providers; ++i) any.add_requirements()->set_provider_name("origins-" + std::to_string(i));
  auto& all = *any.add_requirements()->mutable_requires_all();
  for (int i = 0; i < providers; ++i) {
    auto& one = *all.add_requirements()->mutable_requires_any();
    one.add_requirements()->set_provider_name("origins-" + std::to_string(i));
    one.add_requirements()->mutable_allow_missing();
  }
}

}  // namespace

void add_jwt(hcm_v3::HttpConnectionManager& manager, const mesh::View& view) {
  std::vector<const JWTRule*> rules;
  auto authentications = view.request_authentications();
  for (const auto& authentication : authentications)
    for (const JWTRule& rule : authentication->spec.jwt_rules()) rules.push_back(&rule);
  if (rules.empty()) return;
  std::ranges::stable_sort(rules, {}, [](const JWTRule* rule) { return rule->issuer(); });

  jwt_v3::JwtAuthentication config;
  for (size_t i = 0; i < rules.size(); ++i)
    (*config.mutable_providers())["origins-" + std::to_string(i)] = provider_of(*rules[i], view);
  auto* rule = config.add_rules();
  rule->mutable_match()->set_prefix("/");
  require(*rule->mutable_requires_(), static_cast<int>(rules.size()));
  config.set_bypass_cors_preflight(true);
  auto* filter = manager.add_http_filters();
  filter->set_name("envoy.filters.http.jwt_authn");
  pack(config, filter->mutable_typed_config());
}

}  // namespace translate
