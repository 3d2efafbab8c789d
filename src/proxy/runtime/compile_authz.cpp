// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "envoy/extensions/filters/http/ext_authz/v3/ext_authz.pb.h"
#include "envoy/extensions/filters/network/ext_authz/v3/ext_authz.pb.h"
#include "proxy/filter/authz.h"
#include "proxy/runtime/compile_filters.h"

namespace proxy {
namespace {

namespace v3 = envoy::extensions::filters::http::ext_authz::v3;
using google::protobuf::Any;

constexpr std::chrono::milliseconds kTimeout{200};  // as Envoy where none is given

std::unexpected<base::Error> refuse(const std::string& why) {
  return base::fail(base::ErrorKind::Invalid, "ext_authz: " + why);
}

base::Result<AuthzService::Names> names_of(const envoy::type::matcher::v3::ListStringMatcher& from) {
  AuthzService::Names out;
  for (const auto& pattern : from.patterns()) {
    StringMatch match = TRY(compile(pattern));
    if (match.kind != StringMatch::Kind::Regex) match.value = base::to_lower(match.value);
    out.push_back(std::move(match));
  }
  return out;
}

base::Result<AuthzService> service_of(const Compiler& compiler, const core::GrpcService& from) {
  AuthzService out{.grpc = true};
  auto target = TRY(grpc_target_of(compiler, from, kTimeout));
  out.target = std::move(target.target);
  out.authority = std::move(target.authority);
  out.to_add = std::move(target.metadata);
  return out;
}

base::Result<AuthzService> service_of(const Compiler& compiler, const v3::HttpService& from) {
  AuthzService out;
  if (from.server_uri().cluster().empty()) return refuse("http_service without a cluster");
  SideTarget::Options options{.cluster = compiler.slots.cluster(from.server_uri().cluster()), .timeout = kTimeout};
  if (from.server_uri().has_timeout()) options.timeout = milliseconds_of(from.server_uri().timeout());
  if (from.has_retry_policy()) options.retry = TRY(side_retry_of(from.retry_policy()));
  out.target = SideTarget::make(std::move(options));
  out.path_prefix = from.path_prefix();
  if (!out.path_prefix.empty() && !out.path_prefix.starts_with('/'))
    return refuse("path_prefix \"" + out.path_prefix + "\" does not begin with /");
  const auto& request = from.authorization_request();
  const auto& response = from.authorization_response();
  out.allowed = TRY(names_of(request.allowed_headers()));
  for (const auto& header : request.headers_to_add()) out.to_add.add(base::to_lower(header.key()), header.value());
  out.upstream = TRY(names_of(response.allowed_upstream_headers()));
  out.upstream_append = TRY(names_of(response.allowed_upstream_headers_to_append()));
  if (response.has_allowed_client_headers()) out.client = TRY(names_of(response.allowed_client_headers()));
  out.client_on_success = TRY(names_of(response.allowed_client_headers_on_success()));
  out.to_metadata = TRY(names_of(response.dynamic_metadata_from_headers()));
  return out;
}

base::Result<AuthzBody> body_of(const v3::BufferSettings& from) {
  if (!from.max_request_bytes()) return refuse("with_request_body needs max_request_bytes");
  return AuthzBody{
      .most = from.max_request_bytes(), .partial = from.allow_partial_message(), .as_bytes = from.pack_as_bytes()};
}

base::Result<std::shared_ptr<Filter>> authz_filter(const Compiler& compiler, const Any& any) {
  auto from = TRY(unpack_strictly<v3::ExtAuthz>(any));
  AuthzConfig out;
  if (from.has_grpc_service())
    out.service = TRY(service_of(compiler, from.grpc_service()));
  else if (from.has_http_service())
    out.service = TRY(service_of(compiler, from.http_service()));
  else
    return refuse("no service to ask");
  if (from.transport_api_version() != core::V3 && from.transport_api_version() != core::AUTO)
    return refuse("transport_api_version other than V3");
  if (from.has_with_request_body()) out.body = TRY(body_of(from.with_request_body()));
  if (from.has_allowed_headers()) out.allowed = TRY(names_of(from.allowed_headers()));
  if (from.has_disallowed_headers()) out.disallowed = TRY(names_of(from.disallowed_headers()));
  out.allow_on_error = from.failure_mode_allow();
  out.say_so = from.failure_mode_allow_header_add();
  if (from.has_status_on_error()) out.status_on_error = static_cast<int>(from.status_on_error().code());
  if (out.status_on_error < 200 || out.status_on_error > 599)
    return refuse("status_on_error " + std::to_string(out.status_on_error));
  out.clear_route_cache = from.clear_route_cache();
  if (from.has_filter_enabled()) out.per_million = per_million(from.filter_enabled().default_value());
  if (from.has_filter_enabled_metadata()) out.only_if = TRY(compile(from.filter_enabled_metadata()));
  out.metadata_spaces.assign(from.metadata_context_namespaces().begin(), from.metadata_context_namespaces().end());
  out.facts = {.certificate = from.include_peer_certificate(), .tls_session = from.include_tls_session()};
  auto counter = [&](const char* name) {
    const std::string scope = "http.{envoy_http_conn_manager_prefix}.ext_authz.";
    const std::string& own = from.stat_prefix();
    return compiler.slots.counter(
        own.empty() ? telemetry::StatName(scope + name, {compiler.stat_prefix})
                    : telemetry::StatName(scope + "{envoy_ext_authz_prefix}." + name, {compiler.stat_prefix, own}));
  };
  out.ok = counter("ok");
  out.denied = counter("denied");
  out.error = counter("error");
  out.disabled = counter("disabled");
  out.allowed_on_error = counter("failure_mode_allowed");
  return std::make_shared<AuthzFilter>(std::move(out));
}

base::Result<std::shared_ptr<const FilterPolicy>> authz_policy(const Compiler& compiler, const Any& any) {
  auto from = TRY(unpack_strictly<v3::ExtAuthzPerRoute>(any));
  auto out = std::make_shared<AuthzPolicy>();
  out->off = from.disabled();
  const auto& settings = from.check_settings();
  out->extensions.insert(settings.context_extensions().begin(), settings.context_extensions().end());
  out->no_body = settings.disable_request_body_buffering();
  if (settings.has_with_request_body()) out->body = TRY(body_of(settings.with_request_body()));
  if (out->no_body && out->body) return refuse("a route turns the body off and on");
  if (settings.has_grpc_service()) out->service = TRY(service_of(compiler, settings.grpc_service()));
  if (settings.has_http_service()) out->service = TRY(service_of(compiler, settings.http_service()));
  return out;
}

}  // namespace

const FilterKind kAuthzFilter{"envoy.extensions.filters.http.ext_authz.v3.ExtAuthz", authz_filter,
                              "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute", authz_policy};

base::Result<std::shared_ptr<const NetworkFilter>> authz_network_filter(const Compiler& compiler, const Any& any) {
  auto from = TRY(unpack_strictly<envoy::extensions::filters::network::ext_authz::v3::ExtAuthz>(any));
  if (from.stat_prefix().empty()) return refuse("stat_prefix is needed");
  if (from.transport_api_version() != core::V3 && from.transport_api_version() != core::AUTO)
    return refuse("transport_api_version other than V3");
  // Connections have no metadata of their own here.
  if (from.has_filter_enabled_metadata() || !from.bootstrap_metadata_labels_key().empty() ||
      from.metadata_context_namespaces_size() || from.typed_metadata_context_namespaces_size())
    return refuse(
        "filter_enabled_metadata, metadata_context_namespaces, typed_metadata_context_namespaces and "
        "bootstrap_metadata_labels_key are not known for connections");
  if (from.send_tls_alert_on_denial()) return refuse("send_tls_alert_on_denial is not known");
  auto target = TRY(grpc_target_of(compiler, from.grpc_service(), kTimeout));
  AuthzNetworkFilter::Config out{
      .target = std::move(target.target),
      .authority = std::move(target.authority),
      .to_add = std::move(target.metadata),
      .allow_on_error = from.failure_mode_allow(),
      .facts = {.certificate = from.include_peer_certificate(), .tls_session = from.include_tls_session()}};
  std::string scope = "ext_authz." + from.stat_prefix() + ".";
  for (char& c : scope)
    if (c == '{' || c == '}') c = '_';
  auto counter = [&](const char* name) { return compiler.slots.counter(telemetry::StatName(scope + name)); };
  out.total = counter("total");
  out.ok = counter("ok");
  out.denied = counter("denied");
  out.error = counter("error");
  out.allowed_on_error = counter("failure_mode_allowed");
  out.closed = counter("cx_closed");
  return std::make_shared<AuthzNetworkFilter>(std::move(out));
}

base::Result<RetryPolicy> side_retry_of(const core::RetryPolicy& from) {
  RetryPolicy out;
  out.on = RetryPolicy::on_of(from.retry_on().empty() ? "5xx,gateway-error,connect-failure,reset" : from.retry_on());
  out.retries = from.has_num_retries() ? from.num_retries().value() : 1;
  out.back_off_base = std::chrono::milliseconds(1000);
  out.back_off_max = std::chrono::milliseconds(10'000);
  if (from.has_retry_back_off()) {
    out.back_off_base = std::max(milliseconds_of(from.retry_back_off().base_interval()), std::chrono::milliseconds(1));
    out.back_off_max = from.retry_back_off().has_max_interval() ? milliseconds_of(from.retry_back_off().max_interval())
                                                                : out.back_off_base * 10;
  }
  if (from.has_retry_priority())
    return base::fail(base::ErrorKind::Invalid, "retry_priority of a side call is not known");
  return out;
}

base::Result<GrpcTarget> grpc_target_of(const Compiler& compiler, const core::GrpcService& from,
                                        std::chrono::milliseconds otherwise) {
  if (!from.has_envoy_grpc())
    return base::fail(base::ErrorKind::Invalid, "a gRPC service other than envoy_grpc is not known");
  const auto& envoy = from.envoy_grpc();
  if (envoy.cluster_name().empty()) return base::fail(base::ErrorKind::Invalid, "a gRPC service without a cluster");
  GrpcTarget out{.authority = envoy.authority().empty() ? envoy.cluster_name() : envoy.authority()};
  SideTarget::Options options{.cluster = compiler.slots.cluster(envoy.cluster_name()), .timeout = otherwise};
  if (from.has_timeout()) options.timeout = milliseconds_of(from.timeout());
  const auto& retry = from.has_retry_policy() ? from.retry_policy() : envoy.retry_policy();
  if (from.has_retry_policy() || envoy.has_retry_policy()) options.retry = TRY(side_retry_of(retry));
  out.target = SideTarget::make(std::move(options));
  for (const auto& header : from.initial_metadata()) out.metadata.add(base::to_lower(header.key()), header.value());
  return out;
}

}  // namespace proxy
