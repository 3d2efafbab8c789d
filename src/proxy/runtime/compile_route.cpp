// SPDX-License-Identifier: Apache-2.0
#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/extensions/internal_redirect/allow_listed_routes/v3/allow_listed_routes_config.pb.h"
#include "envoy/extensions/internal_redirect/previous_routes/v3/previous_routes_config.pb.h"
#include "envoy/extensions/internal_redirect/safe_cross_scheme/v3/safe_cross_scheme_config.pb.h"
#include "envoy/extensions/retry/host/omit_canary_hosts/v3/omit_canary_hosts.pb.h"
#include "envoy/extensions/retry/host/omit_host_metadata/v3/omit_host_metadata_config.pb.h"
#include "envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config.pb.h"
#include "http/syntax.h"
#include "proxy/runtime/compile.h"
#include "proxy/runtime/unread.h"
#include "proxy/upstream/subset.h"

namespace proxy {
namespace {

namespace v3 = envoy::config::route::v3;
using google::protobuf::RepeatedPtrField;

using Mirrors = RepeatedPtrField<v3::RouteAction::RequestMirrorPolicy>;

// What a route gets from the virtual host and the table around it.
struct Around {
  const v3::VirtualHost& host;
  const v3::RouteConfiguration* table = nullptr;

  const Mirrors* mirrors() const {
    if (host.request_mirror_policies_size()) return &host.request_mirror_policies();
    return table ? &table->request_mirror_policies() : nullptr;
  }
  size_t most_direct_body() const {
    return table && table->has_max_direct_response_body_size_bytes()
               ? table->max_direct_response_body_size_bytes().value()
               : 4096;
  }
};

std::unexpected<base::Error> refused(std::string_view field, std::string_view why) {
  return base::fail(base::ErrorKind::Invalid, std::string(field) + ": " + std::string(why));
}

bool breaks_lines(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) != text.npos; }

base::Result<RegexRewrite> rewrite_of(const envoy::type::matcher::v3::RegexMatchAndSubstitute& from) {
  RegexRewrite out;
  out.pattern = TRY(compile_regex(from.pattern().regex()));
  out.substitution = from.substitution();
  return out;
}

base::Result<void> add_back_off(const v3::RetryPolicy& from, RetryPolicy& out) {
  if (from.has_retry_back_off()) {
    const auto& back_off = from.retry_back_off();
    out.back_off_base = milliseconds_of(back_off.base_interval());
    if (out.back_off_base.count() < 1) out.back_off_base = Milliseconds(1);
    out.back_off_max = back_off.has_max_interval() ? milliseconds_of(back_off.max_interval()) : out.back_off_base * 10;
    if (out.back_off_max < out.back_off_base)
      return refused("retry_back_off", "max_interval is less than base_interval");
  }
  if (!from.has_rate_limited_retry_back_off()) return {};
  const auto& limited = from.rate_limited_retry_back_off();
  for (const auto& header : limited.reset_headers())
    out.reset_headers.push_back({base::to_lower(header.name()), header.format() == v3::RetryPolicy::UNIX_TIMESTAMP});
  if (out.reset_headers.empty()) return refused("rate_limited_retry_back_off.reset_headers", "at least one is needed");
  if (limited.has_max_interval()) out.reset_max = milliseconds_of(limited.max_interval());
  return {};
}

base::Result<RetryPolicy> retry_of(const v3::RetryPolicy& from) {
  RetryPolicy out;
  out.on = RetryPolicy::on_of(from.retry_on()) | RetryPolicy::grpc_on_of(from.retry_on());
  out.retries = from.has_num_retries() ? from.num_retries().value() : 1;
  out.per_try_timeout = milliseconds_of(from.per_try_timeout());
  out.per_try_idle_timeout = milliseconds_of(from.per_try_idle_timeout());
  for (uint32_t code : from.retriable_status_codes()) out.status_codes.push_back(static_cast<int>(code));
  for (const auto& header : from.retriable_headers()) out.headers.push_back(TRY(compile(header)));
  for (const auto& header : from.retriable_request_headers()) out.request_headers.push_back(TRY(compile(header)));
  if (from.has_retry_priority()) {
    using Previous = envoy::extensions::retry::priority::previous_priorities::v3::PreviousPrioritiesConfig;
    if (type_of(from.retry_priority().typed_config()) != Previous::descriptor()->full_name())
      return refused("retry_policy.retry_priority", from.retry_priority().name() + " is not known");
    auto previous = TRY(unpack<Previous>(from.retry_priority().typed_config()));
    if (previous.update_frequency() <= 0) return refused("retry_policy.retry_priority.update_frequency", "above 0");
    out.other_priorities_after = static_cast<uint32_t>(previous.update_frequency());
  }
  if (from.retry_options_predicates_size())
    return refused("retry_policy.retry_options_predicates", from.retry_options_predicates(0).name() + " is not known");
  for (const auto& predicate : from.retry_host_predicate()) {
    const std::string type = type_of(predicate.typed_config());
    using Metadata = envoy::extensions::retry::host::omit_host_metadata::v3::OmitHostMetadataConfig;
    if (type == Metadata::descriptor()->full_name()) {
      auto message = TRY(unpack<Metadata>(predicate.typed_config()));
      auto criteria = subset_of(message.metadata_match(), nullptr);
      if (criteria && !criteria->empty()) out.omitted.push_back(std::move(criteria));
      continue;
    }
    if (type ==
        envoy::extensions::retry::host::omit_canary_hosts::v3::OmitCanaryHostsPredicate::descriptor()->full_name()) {
      out.omitted.push_back(std::make_shared<const SubsetCriteria>(base::Json{{"canary", true}}, nullptr));
      continue;
    }
    if (!type.ends_with(".PreviousHostsPredicate"))
      return no_implementation(predicate.name(), predicate.typed_config());
    out.avoid_previous_hosts = true;
  }
  out.host_attempts = static_cast<uint32_t>(std::max<int64_t>(1, from.host_selection_retry_max_attempts()));
  TRY(add_back_off(from, out));
  return out;
}

base::Result<std::vector<Mirror>> mirrors_of(const Mirrors& from, Milliseconds timeout, Slots& slots) {
  std::vector<Mirror> out;
  for (const auto& policy : from) {
    auto forward = std::make_shared<Forward>();
    WeightedTarget target;
    if (!policy.cluster().empty()) target.cluster = slots.cluster(policy.cluster());
    target.cluster_header = base::to_lower(policy.cluster_header());
    if (policy.cluster().empty() == target.cluster_header.empty())
      return refused("request_mirror_policies", "exactly one of cluster and cluster_header is needed");
    target.host_rewrite = policy.host_rewrite_literal();
    forward->targets.push_back(std::move(target));
    forward->timeout = timeout;
    Mirror mirror{.forward = std::move(forward), .append_suffix = !policy.disable_shadow_host_suffix_append()};
    if (policy.has_runtime_fraction()) mirror.per_million = per_million(policy.runtime_fraction().default_value());
    if (mirror.per_million > 0) out.push_back(std::move(mirror));
  }
  return out;
}

std::string cookie_attributes_of(const v3::RouteAction::HashPolicy::Cookie& from) {
  std::string out;
  if (from.ttl().seconds() > 0) out += "; Max-Age=" + std::to_string(from.ttl().seconds());
  if (!from.path().empty()) out += "; Path=" + from.path();
  for (const auto& attribute : from.attributes())
    out += "; " + attribute.name() + (attribute.value().empty() ? "" : "=" + attribute.value());
  return out + "; HttpOnly";
}

base::Result<void> add_hash_policies(const v3::RouteAction& from, Forward& out) {
  for (const auto& policy : from.hash_policy()) {
    HashPolicy hash{.terminal = policy.terminal()};
    if (policy.has_header()) {
      hash.kind = HashPolicy::Kind::Header;
      hash.name = base::to_lower(policy.header().header_name());
      if (policy.header().has_regex_rewrite()) hash.rewrite = TRY(rewrite_of(policy.header().regex_rewrite()));
    } else if (policy.has_cookie()) {
      hash.kind = HashPolicy::Kind::Cookie;
      hash.name = policy.cookie().name();
      hash.make_cookie = policy.cookie().has_ttl();
      hash.cookie_attributes = cookie_attributes_of(policy.cookie());
    } else if (policy.has_connection_properties()) {
      if (!policy.connection_properties().source_ip()) continue;
      hash.kind = HashPolicy::Kind::SourceIp;
    } else if (policy.has_query_parameter()) {
      hash.kind = HashPolicy::Kind::Query;
      hash.name = policy.query_parameter().name();
    } else {
      return refused("hash_policy", policy.has_filter_state() ? "filter_state is not known" : "it says nothing");
    }
    out.hash.push_back(std::move(hash));
  }
  return {};
}

using Subset = std::shared_ptr<const SubsetCriteria>;

base::Result<void> add_weighted(const v3::WeightedCluster& from, const Subset& route, Slots& slots, Forward& out) {
  uint64_t total = 0;
  for (const auto& entry : from.clusters()) {
    if (entry.name().empty() == entry.cluster_header().empty())
      return refused("weighted_clusters.clusters", "exactly one of name and cluster_header is needed");
    WeightedTarget target{.subset = subset_of(entry.metadata_match(), route),
                          .cluster = entry.name().empty() ? kNone : slots.cluster(entry.name())};
    target.cluster_header = base::to_lower(entry.cluster_header());
    target.weight = entry.weight().value();
    target.host_rewrite = entry.host_rewrite_literal();
    target.request = TRY(mutation_of(entry.request_headers_to_add(), entry.request_headers_to_remove()));
    target.response = TRY(mutation_of(entry.response_headers_to_add(), entry.response_headers_to_remove()));
    total += target.weight;
    out.targets.push_back(std::move(target));
  }
  if (total > UINT32_MAX)
    return base::fail(base::ErrorKind::Invalid, "The sum of weights of all weighted clusters exceeds 4294967295");
  if (total == 0)
    return base::fail(base::ErrorKind::Invalid, "Sum of weights in the weighted_cluster must be greater than 0");
  out.total_weight = static_cast<uint32_t>(total);
  out.random_header = base::to_lower(from.header_name());
  out.weight_by_hash = from.use_hash_policy().value();
  return {};
}

base::Result<void> add_targets(const v3::RouteAction& from, Slots& slots, Forward& out) {
  const Subset subset = subset_of(from.metadata_match(), nullptr);
  if (from.has_cluster_header()) {
    out.targets.push_back({.subset = subset, .cluster_header = base::to_lower(from.cluster_header())});
  } else if (from.has_weighted_clusters()) {
    return add_weighted(from.weighted_clusters(), subset, slots, out);
  } else if (from.has_cluster()) {
    out.targets.push_back({.subset = subset, .cluster = slots.cluster(from.cluster())});
  } else {
    return base::fail(base::ErrorKind::Invalid, "a route action without a cluster");
  }
  return {};
}

base::Result<void> add_rewrites(const v3::RouteAction& from, Forward& out) {
  int paths = !from.prefix_rewrite().empty() + from.has_regex_rewrite() + !from.path_rewrite().empty();
  if (paths > 1)
    return refused("prefix_rewrite", "only one of prefix_rewrite, regex_rewrite and path_rewrite may be there");
  if (!from.prefix_rewrite().empty()) out.prefix_rewrite = from.prefix_rewrite();
  if (from.has_regex_rewrite()) out.regex_rewrite = TRY(rewrite_of(from.regex_rewrite()));
  if (!from.path_rewrite().empty()) out.path_format = TRY(telemetry::Format::parse(from.path_rewrite()));
  out.host_rewrite = from.host_rewrite_literal();
  if (!from.host_rewrite().empty()) out.host_format = TRY(telemetry::Format::parse(from.host_rewrite()));
  out.auto_host_rewrite = from.auto_host_rewrite().value();
  out.host_rewrite_header = base::to_lower(from.host_rewrite_header());
  if (from.has_host_rewrite_path_regex()) out.host_rewrite_path = TRY(rewrite_of(from.host_rewrite_path_regex()));
  out.append_forwarded_host = from.append_x_forwarded_host();
  return {};
}

// The deprecated max_grpc_timeout, which Istio sends, and its successor in max_stream_duration.
void add_timeouts(const v3::RouteAction& from, Forward& out) {
  if (from.has_timeout()) out.timeout = milliseconds_of(from.timeout());
  if (from.has_idle_timeout()) out.idle_timeout = milliseconds_of(from.idle_timeout());
  if (from.has_max_grpc_timeout()) out.grpc_timeout_max = milliseconds_of(from.max_grpc_timeout());
  if (from.has_grpc_timeout_offset()) out.grpc_timeout_offset = milliseconds_of(from.grpc_timeout_offset());
  if (!from.has_max_stream_duration()) return;
  // As Envoy: the newer limit stands in the older ones' place.
  out.limits_stream = true;
  out.timeout = out.grpc_timeout_offset = Milliseconds(0);
  out.grpc_timeout_max.reset();
  const auto& duration = from.max_stream_duration();
  if (duration.has_max_stream_duration()) out.max_duration = milliseconds_of(duration.max_stream_duration());
  if (!duration.has_grpc_timeout_header_max()) return;
  out.grpc_timeout_max = milliseconds_of(duration.grpc_timeout_header_max());
  out.grpc_timeout_offset = milliseconds_of(duration.grpc_timeout_header_offset());
}

base::Result<InternalRedirects> internal_redirects_of(const v3::InternalRedirectPolicy& from) {
  InternalRedirects out;
  for (const auto& predicate : from.predicates()) {
    namespace redirect = envoy::extensions::internal_redirect;
    using Listed = redirect::allow_listed_routes::v3::AllowListedRoutesConfig;
    const std::string type = type_of(predicate.typed_config());
    if (type == Listed::descriptor()->full_name()) {
      auto listed = TRY(unpack<Listed>(predicate.typed_config()));
      std::vector<std::string> names(listed.allowed_route_names().begin(), listed.allowed_route_names().end());
      if (out.allowed_routes)  // each of several lists must have it
        std::erase_if(names, [&](const auto& name) {
          return std::ranges::find(*out.allowed_routes, name) == out.allowed_routes->end();
        });
      out.allowed_routes = std::move(names);
    } else if (type == redirect::previous_routes::v3::PreviousRoutesConfig::descriptor()->full_name()) {
      out.only_new_routes = true;
    } else if (type == redirect::safe_cross_scheme::v3::SafeCrossSchemeConfig::descriptor()->full_name()) {
      out.only_safe_schemes = true;
    } else {
      return refused("internal_redirect_policy.predicates", predicate.name() + " is not known");
    }
  }
  if (from.has_max_internal_redirects()) out.most = from.max_internal_redirects().value();
  if (from.redirect_response_codes_size()) out.status_codes.clear();
  for (uint32_t code : from.redirect_response_codes())  // as Envoy: others in the list are passed over
    if (code == 301 || code == 302 || code == 303 || code == 307 || code == 308)
      out.status_codes.push_back(static_cast<int>(code));
  out.across_schemes = from.allow_cross_scheme_redirect();
  for (const std::string& name : from.response_headers_to_copy())
    out.response_headers_to_copy.push_back(base::to_lower(name));
  return out;
}

base::Result<Forward> forward_of(const v3::RouteAction& from, const Around& around, Slots& slots) {
  Forward out;
  TRY(add_targets(from, slots, out));
  if (from.cluster_not_found_response_code() == v3::RouteAction::NOT_FOUND) out.cluster_not_found_status = 404;
  if (from.cluster_not_found_response_code() == v3::RouteAction::INTERNAL_SERVER_ERROR)
    out.cluster_not_found_status = 500;
  TRY(add_rewrites(from, out));
  add_timeouts(from, out);
  if (from.has_retry_policy())
    out.retry = TRY(retry_of(from.retry_policy()));
  else if (around.host.has_retry_policy())
    out.retry = TRY(retry_of(around.host.retry_policy()));
  TRY(add_hash_policies(from, out));
  const Mirrors* mirrors = from.request_mirror_policies_size() ? &from.request_mirror_policies() : around.mirrors();
  if (mirrors) out.mirrors = TRY(mirrors_of(*mirrors, out.timeout, slots));
  out.high_priority = from.priority() == core::HIGH;
  for (const auto& upgrade : from.upgrade_configs()) {
    out.upgrades.push_back(
        {base::to_lower(upgrade.upgrade_type()), !upgrade.has_enabled() || upgrade.enabled().value()});
    if (!upgrade.has_connect_config()) continue;
    const auto& connect = upgrade.connect_config();
    if (out.upgrades.back().type != "connect")
      return refused("upgrade_configs.connect_config", "only for the type CONNECT");
    if (connect.allow_post()) return refused("upgrade_configs.connect_config.allow_post", "not known");
    if (connect.proxy_protocol_config().has_pass_through_tlvs() || connect.proxy_protocol_config().added_tlvs_size())
      return refused("upgrade_configs.connect_config.proxy_protocol_config", "TLVs are not known");
    out.ends_connect = true;
    if (connect.has_proxy_protocol_config())
      out.connect_proxy_version = connect.proxy_protocol_config().version() == core::ProxyProtocolConfig::V2 ? 2 : 1;
  }
  if (from.has_internal_redirect_policy())
    out.internal_redirects = TRY(internal_redirects_of(from.internal_redirect_policy()));
  if (from.internal_redirect_action() == v3::RouteAction::HANDLE_INTERNAL_REDIRECT)
    return refused("internal_redirect_action", "deprecated; say it in internal_redirect_policy");
  return out;
}

base::Result<DirectResponse> direct_of(const v3::DirectResponseAction& from, const Around& around) {
  DirectResponse out{.status = static_cast<int>(from.status())};
  if (out.status < 200 || out.status > 599)
    return refused("direct_response.status", std::to_string(out.status) + " is not in [200, 599]");
  out.body = TRY(compile(from.body()));
  if (out.body.size() > around.most_direct_body())
    return refused("direct_response.body", "response body size is " + std::to_string(out.body.size()) +
                                               " bytes; maximum is " + std::to_string(around.most_direct_body()));
  if (from.has_body_format()) {
    out.body_format = TRY(line_of(from.body_format()));
    out.content_type = content_type_of(from.body_format());
  }
  return out;
}

base::Result<Redirect> redirect_of(const v3::RedirectAction& from) {
  for (std::string_view text :
       {from.host_redirect(), from.path_redirect(), from.prefix_rewrite(), from.scheme_redirect()})
    if (breaks_lines(text)) return base::fail(base::ErrorKind::Invalid, "a redirect holds CR, LF or NUL");
  Redirect out;
  constexpr int kCodes[] = {301, 302, 303, 307, 308};
  out.status = kCodes[std::min<size_t>(from.response_code(), 4)];
  out.scheme = from.https_redirect() ? "https" : from.scheme_redirect();
  out.host = from.host_redirect();
  out.port = from.port_redirect();
  out.path = from.path_redirect();
  if (!from.prefix_rewrite().empty()) out.prefix_rewrite = from.prefix_rewrite();
  if (from.has_regex_rewrite()) out.regex_rewrite = TRY(rewrite_of(from.regex_rewrite()));
  out.strip_query = from.strip_query();
  return out;
}

}  // namespace

base::Result<void> compile_match_into(const v3::RouteMatch& from, Route& out) {
  PathMatch& path = out.path;
  path.ignore_case = from.has_case_sensitive() && !from.case_sensitive().value();
  switch (from.path_specifier_case()) {
    case v3::RouteMatch::kPrefix:
      path.kind = PathMatch::Kind::Prefix;
      path.value = from.prefix();
      break;
    case v3::RouteMatch::kPath:
      path.kind = PathMatch::Kind::Exact;
      path.value = from.path();
      break;
    case v3::RouteMatch::kPathSeparatedPrefix:
      path.kind = PathMatch::Kind::SeparatedPrefix;
      path.value = from.path_separated_prefix();
      if (!path.value.starts_with('/') || path.value.ends_with('/') ||
          path.value.find_first_of("?#") != std::string::npos)
        return refused("match.path_separated_prefix", "\"" + path.value + "\" is no path without its last slash");
      break;
    case v3::RouteMatch::kSafeRegex:
      path.kind = PathMatch::Kind::Regex;
      path.regex = TRY(compile_regex(from.safe_regex().regex()));
      path.ignore_case = false;
      break;
    case v3::RouteMatch::kConnectMatcher:
      path.kind = PathMatch::Kind::Connect;
      break;
    case v3::RouteMatch::kPathMatchPolicy:
      return refused("match.path_match_policy", from.path_match_policy().name() + " is not known");
    default:
      return refused("match", "a path specifier is needed");
  }
  if (path.ignore_case) path.value = base::to_lower(path.value);
  for (const auto& header : from.headers()) out.headers.push_back(TRY(compile(header)));
  for (const auto& parameter : from.query_parameters()) {
    QueryMatch match{.name = parameter.name()};
    if (parameter.has_string_match()) match.value = TRY(compile(parameter.string_match()));
    if (parameter.has_present_match()) match.present = parameter.present_match();
    out.query.push_back(std::move(match));
  }
  if (from.has_runtime_fraction()) out.per_million = per_million(from.runtime_fraction().default_value());
  out.only_grpc = from.has_grpc();
  if (from.tls_context().has_presented()) out.certificate_presented = from.tls_context().presented().value();
  if (from.tls_context().has_validated()) out.certificate_validated = from.tls_context().validated().value();
  // Conditions that nothing here can check must not be taken as fulfilled.
  for (const auto& match : from.dynamic_metadata()) out.metadata.push_back(TRY(compile(match)));
  if (from.filter_state_size()) return refused("match.filter_state", "not known");
  return {};
}

namespace {

void add_body_limit(const v3::Route& from, const v3::VirtualHost& host, Forward& out) {
  if (from.has_request_body_buffer_limit())
    out.body_limit = from.request_body_buffer_limit().value();
  else if (from.has_per_request_buffer_limit_bytes())
    out.body_limit = from.per_request_buffer_limit_bytes().value();
  else if (host.has_request_body_buffer_limit())
    out.body_limit = host.request_body_buffer_limit().value();
  else if (host.has_per_request_buffer_limit_bytes())
    out.body_limit = host.per_request_buffer_limit_bytes().value();
}

base::Result<Route> route_of(const v3::Route& from, const Around& around, const Compiler& compiler) {
  Route out;
  out.name = from.name();
  TRY(compile_match_into(from.match(), out));
  switch (from.action_case()) {
    case v3::Route::kRoute: {
      auto forward = TRY(forward_of(from.route(), around, compiler.slots));
      add_body_limit(from, around.host, forward);
      out.action = std::move(forward);
      break;
    }
    case v3::Route::kRedirect:
      out.action = TRY(redirect_of(from.redirect()));
      break;
    case v3::Route::kDirectResponse:
      out.action = TRY(direct_of(from.direct_response(), around));
      break;
    case v3::Route::kNonForwardingAction:
      out.action = NoForward{};
      break;
    case v3::Route::kFilterAction:
      return refused("filter_action", "not known");
    default:
      return base::fail(base::ErrorKind::Invalid, "it has no action");
  }
  out.request = TRY(mutation_of(from.request_headers_to_add(), from.request_headers_to_remove()));
  out.response = TRY(mutation_of(from.response_headers_to_add(), from.response_headers_to_remove()));
  out.policies = TRY(compiler.policies(from.typed_per_filter_config()));
  if (auto* forward = std::get_if<Forward>(&out.action))
    for (int i = 0; i < from.route().weighted_clusters().clusters_size(); ++i) {
      const auto& entry = from.route().weighted_clusters().clusters(i);
      forward->targets[static_cast<size_t>(i)].policies = TRY(compiler.policies(entry.typed_per_filter_config()));
      forward->policies_by_target |= entry.typed_per_filter_config_size() > 0;
    }
  if (!from.metadata().filter_metadata().empty()) {
    auto facts = std::make_shared<Metadata>();
    for (const auto& [name, object] : from.metadata().filter_metadata()) facts->merge(name, json_of(object));
    out.facts = std::move(facts);
  }
  if (from.has_route()) {
    out.rate_limits = TRY(compile_rate_limits(from.route().rate_limits()));
    out.include_host_rate_limits = from.route().include_vh_rate_limits().value();
  }
  out.origin = origin_of(from.metadata());
  out.operation = from.decorator().operation();
  return out;
}

}  // namespace

base::Result<HeaderMutation> mutation_of(const RepeatedPtrField<core::HeaderValueOption>& add,
                                         const RepeatedPtrField<std::string>& remove) {
  HeaderMutation out;
  auto fixed = [](const std::string& name) { return name.starts_with(':') || name == "host"; };
  for (const std::string& name : remove) {
    out.remove.push_back(base::to_lower(name));
    if (name.empty()) return base::fail(base::ErrorKind::Invalid, "a header to remove has no name");
    if (fixed(out.remove.back()))
      return base::fail(base::ErrorKind::Invalid, ":-prefixed or host headers may not be removed");
  }
  for (const auto& entry : add) {
    HeaderMutation::Write write;
    write.name = base::to_lower(entry.header().key());
    if (write.name.empty()) return base::fail(base::ErrorKind::Invalid, "a header to add has no name");
    if (fixed(write.name))
      return base::fail(base::ErrorKind::Invalid, ":-prefixed or host headers may not be modified");
    if (!http::syntax::valid_token(write.name))
      return base::fail(base::ErrorKind::Invalid, "\"" + entry.header().key() + "\" is no name of a header");
    if (breaks_lines(entry.header().value()) || breaks_lines(entry.header().raw_value()))
      return base::fail(base::ErrorKind::Invalid, "the value of a header to add holds CR, LF or NUL");
    write.keep_empty = entry.keep_empty_value();
    switch (entry.append_action()) {
      case core::HeaderValueOption::ADD_IF_ABSENT:
        write.how = HeaderMutation::How::AddIfAbsent;
        break;
      case core::HeaderValueOption::OVERWRITE_IF_EXISTS_OR_ADD:
        write.how = HeaderMutation::How::Overwrite;
        break;
      case core::HeaderValueOption::OVERWRITE_IF_EXISTS:
        write.how = HeaderMutation::How::OverwriteIfPresent;
        break;
      default:
        break;
    }
    if (entry.has_append() && !entry.append().value()) write.how = HeaderMutation::How::Overwrite;
    const std::string& text = entry.header().raw_value().empty() ? entry.header().value() : entry.header().raw_value();
    auto format = TRY(telemetry::Format::parse(text));
    if (format.constant()) {
      telemetry::Record none;
      format.append(none, write.constant);
    } else {
      write.value = std::move(format);
      out.formatted = true;
    }
    out.write.push_back(std::move(write));
  }
  return out;
}

base::Result<HeaderMutation> compile_headers(const RepeatedPtrField<core::HeaderValueOption>& add) {
  return mutation_of(add, {});
}

base::Result<std::shared_ptr<const VirtualHost>> Compiler::virtual_host(const v3::VirtualHost& from,
                                                                        const v3::RouteConfiguration* table) const {
  if (!table) TRY(check_unread(from, slots));  // it came on its own
  auto out = std::make_shared<VirtualHost>();
  out->name = from.name();
  if (from.name().empty()) return base::fail(base::ErrorKind::Invalid, "a virtual host without a name");
  if (from.domains().empty())
    return base::fail(base::ErrorKind::Invalid, "virtual host " + from.name() + " has no domains");
  out->domains.assign(from.domains().begin(), from.domains().end());
  const Around around{from, table};
  out->routes.reserve(static_cast<size_t>(from.routes_size()));
  for (const auto& route : from.routes()) {
    auto compiled = route_of(route, around, *this);
    if (!compiled) {
      std::string at = route.name().empty() ? "routes[" + std::to_string(out->routes.size()) + "]"
                                            : "route \"" + route.name() + "\"";
      return base::fail(base::ErrorKind::Invalid,
                        "virtual host " + from.name() + ": " + at + ": " + compiled.error().message);
    }
    out->routes.push_back(std::move(*compiled));
  }
  out->request = TRY(mutation_of(from.request_headers_to_add(), from.request_headers_to_remove()));
  out->response = TRY(mutation_of(from.response_headers_to_add(), from.response_headers_to_remove()));
  out->policies = TRY(policies(from.typed_per_filter_config()));
  out->rate_limits = TRY(compile_rate_limits(from.rate_limits()));
  if (from.require_tls() == v3::VirtualHost::EXTERNAL_ONLY) out->require_tls = VirtualHost::Tls::External;
  if (from.require_tls() == v3::VirtualHost::ALL) out->require_tls = VirtualHost::Tls::All;
  out->about = TRY(about_of(from.metadata(), Known::Nothing));
  out->timeout_retry_in_request = from.include_is_timeout_retry_header();
  out->attempt_count_in_request = from.include_request_attempt_count();
  out->attempt_count_in_response = from.include_attempt_count_in_response();
  return out;
}

base::Result<std::shared_ptr<const RouteTable>> Compiler::route_table(const v3::RouteConfiguration& from) const {
  TRY(check_unread(from, slots));
  auto out = std::make_shared<RouteTable>();
  out->name = from.name();
  out->ignore_port = from.ignore_port_in_host_matching();
  out->ignore_path_parameters = from.ignore_path_parameters_in_path_matching();
  if (!from.vhost_header().empty()) return refused("vhost_header", "not known");
  if (from.cluster_specifier_plugins_size()) return refused("cluster_specifier_plugins", "not known");
  for (const std::string& name : from.internal_only_headers())
    out->internal_only_headers.push_back(base::to_lower(name));
  out->most_specific_wins = from.most_specific_header_mutations_wins();
  out->request = TRY(mutation_of(from.request_headers_to_add(), from.request_headers_to_remove()));
  out->response = TRY(mutation_of(from.response_headers_to_add(), from.response_headers_to_remove()));
  out->policies = TRY(policies(from.typed_per_filter_config()));
  for (const auto& host : from.virtual_hosts()) TRY(out->add(TRY(virtual_host(host, &from))));
  if (from.has_vhds()) {
    out->on_demand = true;
    TRY(slots.set_source(Kind::VirtualHost, from.name(), from.vhds().config_source()));
    const Source& source = slots.source(Kind::VirtualHost, from.name());
    if (source.type == Source::Type::File || (source.type == Source::Type::Grpc && !source.delta))
      return base::fail(base::ErrorKind::Invalid, "vhds needs ADS or api_type DELTA_GRPC");
    if (source.initial_fetch.count() > 0) out->demand_timeout = source.initial_fetch;
  }
  return out;
}

}  // namespace proxy
