// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "envoy/config/rbac/v3/rbac.pb.h"
#include "envoy/extensions/filters/http/rbac/v3/rbac.pb.h"
#include "envoy/extensions/filters/network/rbac/v3/rbac.pb.h"
#include "envoy/extensions/path/match/uri_template/v3/uri_template_match.pb.h"
#include "proxy/filter/rbac.h"
#include "proxy/route/path_template.h"
#include "proxy/runtime/compile_filters.h"

namespace proxy {
namespace {

namespace v3 = envoy::config::rbac::v3;
namespace http_v3 = envoy::extensions::filters::http::rbac::v3;
namespace network_v3 = envoy::extensions::filters::network::rbac::v3;
using google::protobuf::Any;
using rbac::Rule;
using rbac::Ruleset;

std::unexpected<base::Error> refuse(const std::string& why) {
  return base::fail(base::ErrorKind::Invalid, "rbac: " + why);
}

struct Rules {
  bool http = true;  // else only what is known of a connection

  base::Result<void> needs_request(const char* what) const {
    if (http) return {};
    return refuse(std::string("a ") + what + " rule where there is only a connection");
  }
  base::Result<Rule> header(const envoy::config::route::v3::HeaderMatcher& from) const {
    TRY(needs_request("header"));
    return Rule{.kind = Rule::Kind::Header, .header = TRY(compile(from))};
  }
  base::Result<Rule> path(const envoy::type::matcher::v3::PathMatcher& from) const {
    TRY(needs_request("url_path"));
    if (!from.has_path()) return refuse("a url_path without a pattern");
    return Rule{.kind = Rule::Kind::Path, .text = TRY(compile(from.path()))};
  }
  base::Result<Rule> range(Rule::Kind kind, const core::CidrRange& from) const {
    return Rule{.kind = kind, .range = TRY(compile(from))};
  }
  base::Result<Rule> metadata(Rule::Kind kind, const envoy::type::matcher::v3::MetadataMatcher& from) const {
    TRY(needs_request("metadata"));
    return Rule{.kind = kind, .metadata = TRY(compile(from))};
  }
  base::Result<Rule> sourced(const v3::SourcedMetadata& from) const {
    return metadata(from.metadata_source() == v3::ROUTE ? Rule::Kind::RouteMetadata : Rule::Kind::DynamicMetadata,
                    from.metadata_matcher());
  }
  template <typename From>
  base::Result<Rule> set(Rule::Kind kind, const From& from) const {
    Rule out{.kind = kind};
    if (from.empty()) return refuse("an empty set of rules");
    for (const auto& part : from) out.parts.push_back(TRY(rule(part)));
    return out;
  }
  template <typename From>
  base::Result<Rule> negated(const From& from) const {
    Rule out{.kind = Rule::Kind::Not};
    out.parts.push_back(TRY(rule(from)));
    return out;
  }
  static base::Result<Rule> any(bool value) {
    if (!value) return refuse("any: false");
    return Rule{};
  }

  base::Result<Rule> rule(const v3::Permission& from) const {
    switch (from.rule_case()) {
      case v3::Permission::kAndRules:
        return set(Rule::Kind::And, from.and_rules().rules());
      case v3::Permission::kOrRules:
        return set(Rule::Kind::Or, from.or_rules().rules());
      case v3::Permission::kNotRule:
        return negated(from.not_rule());
      case v3::Permission::kAny:
        return any(from.any());
      case v3::Permission::kHeader:
        return header(from.header());
      case v3::Permission::kUrlPath:
        return path(from.url_path());
      case v3::Permission::kDestinationIp:
        return range(Rule::Kind::Destination, from.destination_ip());
      case v3::Permission::kDestinationPort:
        return Rule{.kind = Rule::Kind::DestinationPort,
                    .port_from = from.destination_port(),
                    .port_below = from.destination_port() + 1};
      case v3::Permission::kDestinationPortRange: {
        const auto& ports = from.destination_port_range();
        if (ports.start() < 0 || ports.end() > 65536 || ports.start() >= ports.end())
          return refuse("a destination_port_range without ports");
        return Rule{.kind = Rule::Kind::DestinationPort,
                    .port_from = static_cast<uint32_t>(ports.start()),
                    .port_below = static_cast<uint32_t>(ports.end())};
      }
      case v3::Permission::kRequestedServerName:
        return Rule{.kind = Rule::Kind::ServerName, .text = TRY(compile(from.requested_server_name()))};
      case v3::Permission::kMetadata:
        return metadata(Rule::Kind::DynamicMetadata, from.metadata());
      case v3::Permission::kSourcedMetadata:
        return sourced(from.sourced_metadata());
      case v3::Permission::kUriTemplate: {
        TRY(needs_request("uri_template"));
        auto config = TRY(unpack_strictly<envoy::extensions::path::match::uri_template::v3::UriTemplateMatchConfig>(
            from.uri_template().typed_config()));
        return Rule{.kind = Rule::Kind::Template,
                    .path = TRY(compile_regex(TRY(regex_of_template(config.path_template()))))};
      }
      case v3::Permission::kMatcher:
        return refuse("the permission matcher " + from.matcher().name() + " is not known");
      default:
        return refuse("a permission that is not known");
    }
  }

  base::Result<Rule> rule(const v3::Principal& from) const {
    switch (from.identifier_case()) {
      case v3::Principal::kAndIds:
        return set(Rule::Kind::And, from.and_ids().ids());
      case v3::Principal::kOrIds:
        return set(Rule::Kind::Or, from.or_ids().ids());
      case v3::Principal::kNotId:
        return negated(from.not_id());
      case v3::Principal::kAny:
        return any(from.any());
      case v3::Principal::kAuthenticated: {
        Rule out{.kind = Rule::Kind::Authenticated};
        if (from.authenticated().has_principal_name()) out.text = TRY(compile(from.authenticated().principal_name()));
        return out;
      }
      case v3::Principal::kSourceIp:
        return range(Rule::Kind::Peer, from.source_ip());
      case v3::Principal::kDirectRemoteIp:
        return range(Rule::Kind::Peer, from.direct_remote_ip());
      case v3::Principal::kRemoteIp:
        return range(Rule::Kind::Client, from.remote_ip());
      case v3::Principal::kHeader:
        return header(from.header());
      case v3::Principal::kUrlPath:
        return path(from.url_path());
      case v3::Principal::kMetadata:
        return metadata(Rule::Kind::DynamicMetadata, from.metadata());
      case v3::Principal::kSourcedMetadata:
        return sourced(from.sourced_metadata());
      case v3::Principal::kFilterState:
        return refuse("a filter_state principal is not known");
      case v3::Principal::kCustom:
        return refuse("the custom principal " + from.custom().name() + " is not known");
      default:
        return refuse("a principal that is not known");
    }
  }
};

base::Result<Ruleset> ruleset_of(const v3::RBAC& from, bool http) {
  Ruleset out;
  switch (from.action()) {
    case v3::RBAC::ALLOW:
      out.action = Ruleset::Action::Allow;
      break;
    case v3::RBAC::DENY:
      out.action = Ruleset::Action::Deny;
      break;
    case v3::RBAC::LOG:
      out.action = Ruleset::Action::Log;
      break;
    default:
      return refuse("action " + std::to_string(from.action()) + " is not known");
  }
  if (from.audit_logging_options().logger_configs_size()) return refuse("audit_logging_options is not known");
  Rules rules{.http = http};
  for (const auto& [name, policy] : from.policies()) {
    Ruleset::Policy compiled{.name = name};
    if (policy.has_cel_config()) return refuse("policy " + name + ": cel_config is not known");
    if (policy.permissions().empty() || policy.principals().empty())
      return refuse("policy " + name + " lacks permissions or principals");
    for (const auto& permission : policy.permissions()) compiled.permissions.push_back(TRY(rules.rule(permission)));
    for (const auto& principal : policy.principals()) compiled.principals.push_back(TRY(rules.rule(principal)));
    out.policies.push_back(std::move(compiled));
  }
  std::sort(out.policies.begin(), out.policies.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

bool asks_client(const std::vector<Rule>& rules) {
  return std::any_of(rules.begin(), rules.end(),
                     [](const Rule& rule) { return rule.kind == Rule::Kind::Client || asks_client(rule.parts); });
}
bool asks_client(const std::optional<Ruleset>& rules) {
  return rules && std::any_of(rules->policies.begin(), rules->policies.end(),
                              [](const Ruleset::Policy& policy) { return asks_client(policy.principals); });
}

base::Result<RbacPolicy> policy_of(const http_v3::RBAC& from) {
  RbacPolicy out;
  if (from.track_per_rule_stats()) return refuse("track_per_rule_stats is not known");
  if (from.has_rules()) out.rules = TRY(ruleset_of(from.rules(), true));
  if (from.has_shadow_rules()) out.shadow = TRY(ruleset_of(from.shadow_rules(), true));
  out.asks_client = asks_client(out.rules) || asks_client(out.shadow);
  out.rules_prefix = from.rules_stat_prefix();
  out.shadow_prefix = from.shadow_rules_stat_prefix();
  return out;
}

base::Result<std::shared_ptr<Filter>> rbac_filter(const Compiler& compiler, const Any& any) {
  auto from = TRY(unpack_strictly<http_v3::RBAC>(any));
  auto counter = [&](const char* name, const std::string& prefix) {
    const std::string scope = "http.{envoy_http_conn_manager_prefix}.rbac.";
    // A prefix is written with or without its dot.
    const std::string own = prefix.ends_with('.') ? prefix.substr(0, prefix.size() - 1) : prefix;
    return compiler.slots.counter(
        own.empty() ? telemetry::StatName(scope + name, {compiler.stat_prefix})
                    : telemetry::StatName(scope + "{envoy_rbac_http_prefix}." + name, {compiler.stat_prefix, own}));
  };
  RbacCounters counters;
  if (from.has_rules()) {
    counters.allowed = counter("allowed", from.rules_stat_prefix());
    counters.denied = counter("denied", from.rules_stat_prefix());
  }
  if (from.has_shadow_rules()) {
    counters.shadow_allowed = counter("shadow_allowed", from.shadow_rules_stat_prefix());
    counters.shadow_denied = counter("shadow_denied", from.shadow_rules_stat_prefix());
  }
  return std::make_shared<RbacFilter>(TRY(policy_of(from)), counters);
}

base::Result<std::shared_ptr<const FilterPolicy>> rbac_policy(const Compiler&, const Any& any) {
  auto from = TRY(unpack_strictly<http_v3::RBACPerRoute>(any));
  if (!from.has_rbac()) return std::make_shared<const RbacPolicy>();  // nothing is enforced there
  return std::make_shared<const RbacPolicy>(TRY(policy_of(from.rbac())));
}

}  // namespace

const FilterKind kRbacFilter{"envoy.extensions.filters.http.rbac.v3.RBAC", rbac_filter,
                             "envoy.extensions.filters.http.rbac.v3.RBACPerRoute", rbac_policy};

base::Result<std::shared_ptr<const NetworkFilter>> rbac_network_filter(const Compiler& compiler, const Any& any) {
  auto from = TRY(unpack_strictly<network_v3::RBAC>(any));
  if (from.stat_prefix().empty()) return refuse("the network filter has no stat_prefix");
  if (from.has_delay_deny()) return refuse("delay_deny is not known");
  RbacPolicy policy;
  if (from.has_rules()) policy.rules = TRY(ruleset_of(from.rules(), false));
  if (from.has_shadow_rules()) policy.shadow = TRY(ruleset_of(from.shadow_rules(), false));
  std::string prefix = from.stat_prefix();
  if (prefix.ends_with('.')) prefix.pop_back();
  policy.shadow_prefix = from.shadow_rules_stat_prefix();
  std::string shadow_prefix = policy.shadow_prefix;
  if (shadow_prefix.ends_with('.')) shadow_prefix.pop_back();
  auto counter = [&](const char* leaf, const std::string& own = {}) {
    const std::string scope = "{envoy_rbac_prefix}.rbac.";
    return compiler.slots.counter(own.empty() ? telemetry::StatName(scope + leaf, {prefix})
                                              : telemetry::StatName(scope + own + "." + leaf, {prefix}));
  };
  RbacCounters counters{.allowed = counter("allowed"),
                        .denied = counter("denied"),
                        .shadow_allowed = counter("shadow_allowed", shadow_prefix),
                        .shadow_denied = counter("shadow_denied", shadow_prefix)};
  return std::make_shared<const RbacNetworkFilter>(std::move(policy), counters);
}

}  // namespace proxy
