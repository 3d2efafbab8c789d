// SPDX-License-Identifier: Apache-2.0
#include "translate/rbac.h"

#include "envoy/extensions/filters/http/rbac/v3/rbac.pb.h"
#include "envoy/extensions/filters/network/rbac/v3/rbac.pb.h"
#include "translate/jwt.h"

namespace translate {
namespace {

namespace api = config::security;
using Action = api::AuthorizationPolicy_Action;
using HttpRbac = envoy::extensions::filters::http::rbac::v3::RBAC;
using TcpRbac = envoy::extensions::filters::network::rbac::v3::RBAC;

// The order in which they are asked.
constexpr Action kOrder[] = {api::AuthorizationPolicy::AUDIT, api::AuthorizationPolicy::DENY,
                             api::AuthorizationPolicy::ALLOW};

rbac_v3::RBAC::Action envoy_action(Action action) {
  switch (action) {
    case api::AuthorizationPolicy::DENY:
      return rbac_v3::RBAC::DENY;
    case api::AuthorizationPolicy::AUDIT:
      return rbac_v3::RBAC::LOG;
    default:
      return rbac_v3::RBAC::ALLOW;
  }
}

bool is_dry_run(const config::AuthorizationPolicy& policy) {
  auto found = policy.meta.annotations.find("istio.io/dry-run");
  return found != policy.meta.annotations.end() && found->second == "true";
}

// A policy of an action without rules matches nothing: an ALLOW then denies
// whatever no other policy allows.
rbac_v3::Policy never() {
  rbac_v3::Policy out;
  out.add_permissions()->mutable_not_rule()->set_any(true);
  out.add_principals()->mutable_not_id()->set_any(true);
  return out;
}

void add_policy(rbac_v3::RBAC& out, const config::AuthorizationPolicy& policy, Action action, Layer layer) {
  const objects::Ref& ref = policy.meta.ref;
  auto name = [&](int index) {
    return "ns[" + ref.ns + "]-policy[" + ref.name + "]-rule[" + std::to_string(index) + "]";
  };
  auto& policies = *out.mutable_policies();
  if (policy.spec.rules().empty()) policies[name(0)] = never();
  for (int index = 0; index < policy.spec.rules_size(); ++index)
    if (auto rule = policy_of_rule(policy.spec.rules(index), ref.ns, action, layer))
      policies[name(index)] = std::move(*rule);
}

const char* shadow_prefix(Action action) {
  return action == api::AuthorizationPolicy::DENY ? "istio_dry_run_deny_" : "istio_dry_run_allow_";
}

template <typename Filter>
Filter filter_of(const Rules& rules, Action action) {
  Filter out;
  if (rules.any_enforced) *out.mutable_rules() = rules.enforced;
  if (rules.any_shadow) {
    *out.mutable_shadow_rules() = rules.shadow;
    out.set_shadow_rules_stat_prefix(shadow_prefix(action));
  }
  return out;
}

}  // namespace

Rules rules_of(const mesh::View& view, Action action, Layer layer) {
  Rules out;
  out.enforced.set_action(envoy_action(action));
  out.shadow.set_action(envoy_action(action));
  for (const auto& policy : view.authorization_policies()) {
    if (policy->spec.action() != action) continue;
    bool dry = is_dry_run(*policy);
    (dry ? out.any_shadow : out.any_enforced) = true;
    add_policy(dry ? out.shadow : out.enforced, *policy, action, layer);
  }
  return out;
}

void add_http_security(hcm_v3::HttpConnectionManager& manager, const mesh::View& view) {
  add_jwt(manager, view);
  for (Action action : kOrder) {
    Rules rules = rules_of(view, action, Layer::Http);
    if (!rules.any_enforced && !rules.any_shadow) continue;
    auto* filter = manager.add_http_filters();
    filter->set_name("envoy.filters.http.rbac");
    pack(filter_of<HttpRbac>(rules, action), filter->mutable_typed_config());
  }
}

void add_tcp_security(FilterChain& chain, const mesh::View& view) {
  for (Action action : kOrder) {
    Rules rules = rules_of(view, action, Layer::Tcp);
    if (!rules.any_enforced && !rules.any_shadow) continue;
    auto rbac = filter_of<TcpRbac>(rules, action);
    rbac.set_stat_prefix("tcp.");
    auto* filter = chain.add_filters();
    filter->set_name("envoy.filters.network.rbac");
    pack(rbac, filter->mutable_typed_config());
  }
}

}  // namespace translate
