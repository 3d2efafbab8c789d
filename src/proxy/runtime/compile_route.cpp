// SPDX-License-Identifier: Apache-2.0
#include "envoy/config/route/v3/route_components.pb.h"
#include "proxy/runtime/compile.h"

namespace proxy {
namespace {

namespace v3 = envoy::config::route::v3;
using google::protobuf::RepeatedPtrField;

base::Result<HeaderMutation> mutation_of(const RepeatedPtrField<core::HeaderValueOption>& add,
                                         const RepeatedPtrField<std::string>& remove) {
  HeaderMutation out;
  for (const std::string& name : remove) out.remove.push_back(base::to_lower(name));
  for (const auto& entry : add) {
    HeaderMutation::Write write;
    write.name = base::to_lower(entry.header().key());
    if (write.name.empty()) return base::fail(base::ErrorKind::Invalid, "a header to add has no name");
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
    }
    out.write.push_back(std::move(write));
  }
  return out;
}

base::Result<std::optional<RegexRewrite>> rewrite_of(const envoy::type::matcher::v3::RegexMatchAndSubstitute& from) {
  RegexRewrite out;
  out.pattern = TRY(compile_regex(from.pattern().regex()));
  out.substitution = from.substitution();
  return out;
}

base::Result<RetryPolicy> retry_of(const v3::RetryPolicy& from) {
  RetryPolicy out;
  out.on = RetryPolicy::on_of(from.retry_on(), out.status_codes);
  out.retries = from.has_num_retries() ? from.num_retries().value() : 1;
  out.per_try_timeout = milliseconds_of(from.per_try_timeout());
  for (uint32_t code : from.retriable_status_codes()) out.status_codes.push_back(static_cast<int>(code));
  for (const auto& header : from.retriable_headers()) out.header_names.push_back(base::to_lower(header.name()));
  for (const auto& predicate : from.retry_host_predicate())
    if (predicate.name() == "envoy.retry_host_predicates.previous_hosts") out.avoid_previous_hosts = true;
  out.host_attempts = static_cast<uint32_t>(std::max<int64_t>(1, from.host_selection_retry_max_attempts()));
  if (from.has_retry_back_off()) {
    out.back_off_base = std::max(milliseconds_of(from.retry_back_off().base_interval()), std::chrono::milliseconds(1));
    out.back_off_max = from.retry_back_off().has_max_interval() ? milliseconds_of(from.retry_back_off().max_interval())
                                                                : out.back_off_base * 10;
  }
  return out;
}

base::Result<std::vector<Mirror>> mirrors_of(const RepeatedPtrField<v3::RouteAction::RequestMirrorPolicy>& from,
                                             Slots& slots) {
  std::vector<Mirror> out;
  for (const auto& policy : from) {
    Mirror mirror{.cluster = slots.cluster(policy.cluster())};
    if (policy.has_runtime_fraction()) mirror.per_million = per_million(policy.runtime_fraction().default_value());
    if (mirror.per_million > 0) out.push_back(mirror);
  }
  return out;
}

void add_hash_policies(const v3::RouteAction& from, Forward& out) {
  for (const auto& policy : from.hash_policy()) {
    HashPolicy hash{.terminal = policy.terminal()};
    if (policy.has_header()) {
      hash.kind = HashPolicy::Kind::Header;
      hash.name = base::to_lower(policy.header().header_name());
    } else if (policy.has_cookie()) {
      hash.kind = HashPolicy::Kind::Cookie;
      hash.name = policy.cookie().name();
      hash.cookie_path = policy.cookie().path();
      if (policy.cookie().has_ttl()) hash.cookie_ttl = std::chrono::seconds(policy.cookie().ttl().seconds());
    } else if (policy.has_connection_properties()) {
      hash.kind = HashPolicy::Kind::SourceIp;
    } else if (policy.has_query_parameter()) {
      hash.kind = HashPolicy::Kind::Query;
      hash.name = policy.query_parameter().name();
    } else {
      continue;
    }
    out.hash.push_back(std::move(hash));
  }
}

base::Result<void> add_targets(const v3::RouteAction& from, Slots& slots, Forward& out) {
  if (from.has_cluster_header()) {
    out.cluster_header = base::to_lower(from.cluster_header());
  } else if (from.has_weighted_clusters()) {
    uint64_t total = 0;
    for (const auto& entry : from.weighted_clusters().clusters()) {
      if (!entry.typed_per_filter_config().empty())
        return base::fail(base::ErrorKind::Invalid,
                          "weighted cluster " + entry.name() + ": typed_per_filter_config is not known there");
      WeightedTarget target{.cluster = slots.cluster(entry.name()), .weight = entry.weight().value()};
      target.host_rewrite = entry.host_rewrite_literal();
      target.request = TRY(mutation_of(entry.request_headers_to_add(), entry.request_headers_to_remove()));
      target.response = TRY(mutation_of(entry.response_headers_to_add(), entry.response_headers_to_remove()));
      total += target.weight;
      out.targets.push_back(std::move(target));
    }
    if (total == 0 || total > UINT32_MAX)
      return base::fail(base::ErrorKind::Invalid, "Sum of weights in the weighted_cluster must be greater than 0");
    out.total_weight = static_cast<uint32_t>(total);
  } else if (from.has_cluster()) {
    out.targets.push_back({.cluster = slots.cluster(from.cluster())});
  } else {
    return base::fail(base::ErrorKind::Invalid, "a route action without a cluster");
  }
  return {};
}

base::Result<Forward> forward_of(const v3::RouteAction& from, Slots& slots) {
  Forward out;
  TRY(add_targets(from, slots, out));
  if (from.cluster_not_found_response_code() == v3::RouteAction::NOT_FOUND) out.cluster_not_found_status = 404;
  if (from.cluster_not_found_response_code() == v3::RouteAction::INTERNAL_SERVER_ERROR)
    out.cluster_not_found_status = 500;
  if (!from.prefix_rewrite().empty()) out.prefix_rewrite = from.prefix_rewrite();
  if (from.has_regex_rewrite()) out.regex_rewrite = TRY(rewrite_of(from.regex_rewrite()));
  out.host_rewrite = from.host_rewrite_literal();
  out.auto_host_rewrite = from.auto_host_rewrite().value();
  out.host_rewrite_header = base::to_lower(from.host_rewrite_header());
  out.append_forwarded_host = from.append_x_forwarded_host();
  if (from.has_timeout()) out.timeout = milliseconds_of(from.timeout());
  if (from.has_idle_timeout()) out.idle_timeout = milliseconds_of(from.idle_timeout());
  if (from.has_max_stream_duration() && from.max_stream_duration().has_max_stream_duration()) {
    auto most = milliseconds_of(from.max_stream_duration().max_stream_duration());
    if (most.count() > 0) out.max_duration = most;
  }
  if (from.has_retry_policy()) out.retry = TRY(retry_of(from.retry_policy()));
  add_hash_policies(from, out);
  out.mirrors = TRY(mirrors_of(from.request_mirror_policies(), slots));
  out.high_priority = from.priority() == core::HIGH;
  for (const auto& upgrade : from.upgrade_configs())
    if (base::equal_ignoring_case(upgrade.upgrade_type(), "websocket"))
      out.websocket = !upgrade.has_enabled() || upgrade.enabled().value();
  return out;
}

base::Result<Redirect> redirect_of(const v3::RedirectAction& from) {
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
      break;
    case v3::RouteMatch::kSafeRegex:
      path.kind = PathMatch::Kind::Regex;
      path.regex = TRY(compile_regex(from.safe_regex().regex()));
      path.ignore_case = false;
      break;
    case v3::RouteMatch::kConnectMatcher:
      path.kind = PathMatch::Kind::Connect;
      break;
    default:
      return base::fail(base::ErrorKind::Invalid, "a route match without a path specifier that is known");
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
  // Conditions that nothing here can check must not be taken as fulfilled.
  if (from.filter_state_size() || from.has_tls_context())
    return base::fail(base::ErrorKind::Invalid, "route " + out.name + ": matching on filter state or TLS is not known");
  for (const auto& match : from.dynamic_metadata()) out.metadata.push_back(TRY(compile(match)));
  return {};
}

namespace {

base::Result<Route> route_of(const v3::Route& from, const Compiler& compiler) {
  Route out;
  out.name = from.name();
  TRY(compile_match_into(from.match(), out));
  switch (from.action_case()) {
    case v3::Route::kRoute:
      out.action = TRY(forward_of(from.route(), compiler.slots));
      break;
    case v3::Route::kRedirect:
      out.action = TRY(redirect_of(from.redirect()));
      break;
    case v3::Route::kDirectResponse: {
      DirectResponse direct{.status = static_cast<int>(from.direct_response().status())};
      if (direct.status < 200 || direct.status > 599)
        return base::fail(base::ErrorKind::Invalid, "a direct response with status " + std::to_string(direct.status));
      direct.body = TRY(compile(from.direct_response().body()));
      out.action = std::move(direct);
      break;
    }
    case v3::Route::kNonForwardingAction:
      out.action = NoForward{};
      break;
    default:
      return base::fail(base::ErrorKind::Invalid, "route \"" + out.name + "\" has no action");
  }
  out.request = TRY(mutation_of(from.request_headers_to_add(), from.request_headers_to_remove()));
  out.response = TRY(mutation_of(from.response_headers_to_add(), from.response_headers_to_remove()));
  out.policies = TRY(compiler.policies(from.typed_per_filter_config()));
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

base::Result<HeaderMutation> compile_headers(const RepeatedPtrField<core::HeaderValueOption>& add) {
  return mutation_of(add, {});
}

base::Result<std::shared_ptr<const VirtualHost>> Compiler::virtual_host(const v3::VirtualHost& from) const {
  auto out = std::make_shared<VirtualHost>();
  out->name = from.name();
  if (from.name().empty()) return base::fail(base::ErrorKind::Invalid, "a virtual host without a name");
  if (from.domains().empty())
    return base::fail(base::ErrorKind::Invalid, "virtual host " + from.name() + " has no domains");
  out->domains.assign(from.domains().begin(), from.domains().end());
  for (const auto& route : from.routes()) {
    auto compiled = route_of(route, *this);
    if (!compiled)
      return base::fail(base::ErrorKind::Invalid, "virtual host " + from.name() + ": " + compiled.error().message);
    if (auto* forward = std::get_if<Forward>(&compiled->action); forward && !forward->retry && from.has_retry_policy())
      forward->retry = TRY(retry_of(from.retry_policy()));
    out->routes.push_back(std::move(*compiled));
  }
  out->request = TRY(mutation_of(from.request_headers_to_add(), from.request_headers_to_remove()));
  out->response = TRY(mutation_of(from.response_headers_to_add(), from.response_headers_to_remove()));
  out->policies = TRY(policies(from.typed_per_filter_config()));
  out->rate_limits = TRY(compile_rate_limits(from.rate_limits()));
  out->require_tls = from.require_tls() != v3::VirtualHost::NONE;
  out->attempt_count_in_request = from.include_request_attempt_count();
  out->attempt_count_in_response = from.include_attempt_count_in_response();
  return out;
}

base::Result<std::shared_ptr<const RouteTable>> Compiler::route_table(const v3::RouteConfiguration& from) const {
  auto out = std::make_shared<RouteTable>();
  out->name = from.name();
  out->ignore_port = from.ignore_port_in_host_matching();
  out->most_specific_wins = from.most_specific_header_mutations_wins();
  out->request = TRY(mutation_of(from.request_headers_to_add(), from.request_headers_to_remove()));
  out->response = TRY(mutation_of(from.response_headers_to_add(), from.response_headers_to_remove()));
  out->policies = TRY(policies(from.typed_per_filter_config()));
  for (const auto& host : from.virtual_hosts()) TRY(out->add(TRY(virtual_host(host))));
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
