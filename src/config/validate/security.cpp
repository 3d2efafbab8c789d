// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "base/json.h"
#include "base/strings.h"
#include "config/validate/report.h"
#include "identity/jwks.h"

namespace config {
namespace {

namespace api = security;

constexpr std::string_view kKeys[] = {"source.ip",
                                      "remote.ip",
                                      "source.namespace",
                                      "source.principal",
                                      "source.serviceAccount",
                                      "request.auth.principal",
                                      "request.auth.audiences",
                                      "request.auth.presenter",
                                      "destination.ip",
                                      "destination.port",
                                      "connection.sni"};

// What is longer fits into no matcher of a proxy.
constexpr size_t kMostText = 4096;

bool is_known_key(std::string_view key) {
  if (std::ranges::find(kKeys, key) != std::end(kKeys)) return true;
  return (key.starts_with("request.headers[") || key.starts_with("request.auth.claims[")) && key.ends_with(']');
}

bool holds_addresses(std::string_view key) {
  return key == "source.ip" || key == "remote.ip" || key == "destination.ip";
}

// Security fails closed: what cannot be enforced here is refused, not stored.
template <typename Spec>
void refuse_targets(Report& report, const Path& path, const Spec& spec) {
  if (spec.has_targetref() || !spec.targetrefs().empty())
    report.error("SN0190", path / "targetRef", "targetRef is not supported by Seine yet", "use selector");
}

template <typename Values>
void check_not_empty(Report& report, const Path& path, const Values& values) {
  for (int i = 0; i < values.size(); ++i)
    if (values[i].empty()) report.error("SN0191", path[i], "empty value not allowed");
}

void check_addresses(Report& report, const Path& path, const auto& values) {
  for (int i = 0; i < values.size(); ++i) check_address_or_cidr(report, path[i], values[i]);
}

void check_ports(Report& report, const Path& path, const auto& values) {
  for (int i = 0; i < values.size(); ++i) {
    auto number = base::parse_number<uint32_t>(values[i]);
    if (!number || *number < 1 || *number > 65535)
      report.error("SN0192", path[i], in_quotes(values[i]) + " is not a valid port");
  }
}

// Envoy's path templates as Istio writes them: "{*}" is one segment, "{**}" any number of them, and the last operator.
void check_path(Report& report, const Path& at, std::string_view value) {
  if (value.find_first_of("{}") == value.npos) return;
  bool rest = false, good = value.starts_with('/');
  for (std::string_view segment : base::split(value.substr(good ? 1 : 0), '/')) {
    bool is_operator = segment == "{*}" || segment == "{**}";
    good = good && (is_operator ? !rest : segment.find_first_of("{}*[]|^#?\"<> ") == segment.npos);
    good = good && (is_operator || !segment.empty() || value.ends_with('/'));
    rest = rest || segment == "{**}";
  }
  if (!good)
    report.error("SN0194", at, in_quotes(value) + " is not a valid path template",
                 "{*} and {**} stand for whole segments, and {**} is the last of them: /a/{*}/b/{**}");
}

void check_texts(Report& report, const Path& path, const auto& values) {
  check_not_empty(report, path, values);
  for (int i = 0; i < values.size(); ++i)
    if (values[i].size() > kMostText) report.error("SN0191", path[i], "longer than 4096 bytes");
}

void check_source(Report& report, const Path& path, const api::Source& source) {
  if (source.ByteSizeLong() == 0) report.error("SN0193", path, "'from.source' cannot be empty");
  check_addresses(report, path / "ipBlocks", source.ip_blocks());
  check_addresses(report, path / "notIpBlocks", source.not_ip_blocks());
  check_addresses(report, path / "remoteIpBlocks", source.remote_ip_blocks());
  check_addresses(report, path / "notRemoteIpBlocks", source.not_remote_ip_blocks());
  check_texts(report, path / "principals", source.principals());
  check_texts(report, path / "notPrincipals", source.not_principals());
  check_texts(report, path / "requestPrincipals", source.request_principals());
  check_texts(report, path / "notRequestPrincipals", source.not_request_principals());
  check_texts(report, path / "namespaces", source.namespaces());
  check_texts(report, path / "notNamespaces", source.not_namespaces());
  check_texts(report, path / "serviceAccounts", source.service_accounts());
  check_texts(report, path / "notServiceAccounts", source.not_service_accounts());
  bool accounts = !source.service_accounts().empty() || !source.not_service_accounts().empty();
  bool others = !source.principals().empty() || !source.not_principals().empty() || !source.namespaces().empty() ||
                !source.not_namespaces().empty();
  if (accounts && others) report.error("SN0193", path, "cannot set serviceAccounts with namespaces or principals");
}

void check_operation(Report& report, const Path& path, const api::Operation& operation) {
  if (operation.ByteSizeLong() == 0) report.error("SN0194", path, "'to.operation' cannot be empty");
  check_ports(report, path / "ports", operation.ports());
  check_ports(report, path / "notPorts", operation.not_ports());
  check_texts(report, path / "hosts", operation.hosts());
  check_texts(report, path / "notHosts", operation.not_hosts());
  check_texts(report, path / "methods", operation.methods());
  check_texts(report, path / "notMethods", operation.not_methods());
  check_texts(report, path / "paths", operation.paths());
  check_texts(report, path / "notPaths", operation.not_paths());
  for (int i = 0; i < operation.paths_size(); ++i) check_path(report, (path / "paths")[i], operation.paths(i));
  for (int i = 0; i < operation.not_paths_size(); ++i)
    check_path(report, (path / "notPaths")[i], operation.not_paths(i));
}

void check_condition(Report& report, const Path& path, const api::Condition& when) {
  if (when.key().empty())
    report.error("SN0195", path / "key", "'key' must not be empty");
  else if (!is_known_key(when.key()))
    report.error("SN0195", path / "key", "unknown attribute: " + when.key(),
                 "one of " + base::join(kKeys, ", ") + ", request.headers[name], request.auth.claims[name]");
  constexpr std::string_view kHeader = "request.headers[";
  if (when.key().starts_with(kHeader) && when.key().ends_with(']'))
    check_header_name(report, path / "key",
                      std::string(when.key().substr(kHeader.size(), when.key().size() - kHeader.size() - 1)));
  check_texts(report, path / "values", when.values());
  check_texts(report, path / "notValues", when.not_values());
  if (when.values().empty() && when.not_values().empty())
    report.error("SN0195", path,
                 "at least one of 'values' or 'notValues' must be set for key " + in_quotes(when.key()));
  if (holds_addresses(when.key())) {
    check_addresses(report, path / "values", when.values());
    check_addresses(report, path / "notValues", when.not_values());
  } else if (when.key() == "destination.port") {
    check_ports(report, path / "values", when.values());
    check_ports(report, path / "notValues", when.not_values());
  }
}

void check_rule(Report& report, const Path& path, const api::Rule& rule) {
  for (int i = 0; i < rule.from_size(); ++i) check_source(report, (path / "from")[i] / "source", rule.from(i).source());
  for (int i = 0; i < rule.to_size(); ++i)
    check_operation(report, (path / "to")[i] / "operation", rule.to(i).operation());
  for (int i = 0; i < rule.when_size(); ++i) check_condition(report, (path / "when")[i], rule.when(i));
}

void check_jwt_rule(Report& report, const Path& path, const api::JWTRule& rule) {
  if (rule.issuer().empty()) report.error("SN0196", path / "issuer", "issuer must be set");
  if (!rule.jwks().empty() && !rule.jwks_uri().empty())
    report.error("SN0196", path, "only one of jwks or jwksUri may be set");
  if (rule.jwks().empty() && rule.jwks_uri().empty())
    report.error("SN0196", path, "Seine needs jwks: the issuer's discovery document is not read yet");
  if (!rule.jwks().empty()) {
    if (auto keys = identity::Jwks::parse(rule.jwks()); !keys)
      report.error("SN0196", path / "jwks", keys.error().message,
                   "a JSON Web Key Set with public keys: RSA of 2048 bits or more, EC, Ed25519");
  }
  if (!rule.jwks_uri().empty())
    report.error("SN0196", path / "jwksUri", "keys are not fetched from jwksUri yet", "write them in jwks");
  for (int i = 0; i < rule.from_headers_size(); ++i)
    check_header_name(report, (path / "fromHeaders")[i] / "name", rule.from_headers(i).name());
  if (!rule.output_payload_to_header().empty())
    check_header_name(report, path / "outputPayloadToHeader", rule.output_payload_to_header());
  for (int i = 0; i < rule.output_claim_to_headers_size(); ++i) {
    const auto& output = rule.output_claim_to_headers(i);
    check_header_name(report, (path / "outputClaimToHeaders")[i] / "header", output.header());
    if (output.header().starts_with(':') || base::equal_ignoring_case(output.header(), "host"))
      report.error("SN0196", (path / "outputClaimToHeaders")[i] / "header",
                   in_quotes(output.header()) + " is the request's own and cannot hold a claim");
    if (output.claim().empty())
      report.error("SN0196", (path / "outputClaimToHeaders")[i] / "claim", "claim must be set");
  }
}

}  // namespace

void check(Report& report, const AuthorizationPolicy& config) {
  const Path path("spec");
  refuse_targets(report, path, config.spec);
  check_labels(report, path / "selector" / "matchLabels", config.spec.selector().match_labels());
  if (config.spec.action() == api::AuthorizationPolicy::CUSTOM)
    report.error("SN0190", path / "action", "CUSTOM authorization is not supported by Seine yet",
                 "ALLOW, DENY or AUDIT");
  if (config.spec.action() == api::AuthorizationPolicy::DENY && config.spec.rules().empty())
    report.warn("SN0197", path, "DENY without rules never denies");
  for (int i = 0; i < config.spec.rules_size(); ++i) check_rule(report, (path / "rules")[i], config.spec.rules(i));
}

void check(Report& report, const PeerAuthentication& config) {
  const Path path("spec");
  check_labels(report, path / "selector" / "matchLabels", config.spec.selector().match_labels());
  bool selects = config.spec.has_selector() && !config.spec.selector().match_labels().empty();
  if (!config.spec.port_level_mtls().empty() && !selects)
    report.error("SN0198", path / "portLevelMtls", "mesh/namespace peer authentication cannot have port level mTLS",
                 "name the workloads in spec.selector");
  for (const auto& [port, mtls] : config.spec.port_level_mtls())
    if (port == 0) report.error("SN0198", path / "portLevelMtls", "port cannot be 0");
}

void check(Report& report, const RequestAuthentication& config) {
  const Path path("spec");
  refuse_targets(report, path, config.spec);
  check_labels(report, path / "selector" / "matchLabels", config.spec.selector().match_labels());
  for (int i = 0; i < config.spec.jwt_rules_size(); ++i)
    check_jwt_rule(report, (path / "jwtRules")[i], config.spec.jwt_rules(i));
}

void check(Report& report, const Telemetry& config) {
  const Path path("spec");
  check_labels(report, path / "selector" / "matchLabels", config.spec.selector().match_labels());
  if (!config.spec.metrics().empty()) report.not_acting(path / "metrics", "metrics");
  if (!config.spec.tracing().empty()) report.not_acting(path / "tracing", "tracing");
  for (int i = 0; i < config.spec.access_logging_size(); ++i) {
    const auto& logging = config.spec.access_logging(i);
    Path at = (path / "accessLogging")[i];
    if (logging.has_filter()) report.not_acting(at / "filter", "filter");
    for (const auto& provider : logging.providers())
      if (provider.name() != "envoy") report.not_acting(at / "providers", "provider " + in_quotes(provider.name()));
  }
}

}  // namespace config
