// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"
#include "base/strings.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/http/original_ip_detection/custom_header/v3/custom_header.pb.h"
#include "envoy/extensions/http/original_ip_detection/xff/v3/xff.pb.h"
#include "proxy/runtime/compile.h"

namespace proxy {
namespace {

namespace v3 = envoy::extensions::filters::network::http_connection_manager::v3;

void compile_identity(const v3::HttpConnectionManager& from, HttpConfig& out) {
  switch (from.forward_client_cert_details()) {
    case v3::HttpConnectionManager::FORWARD_ONLY:
      out.client_cert = HttpConfig::ClientCert::ForwardOnly;
      break;
    case v3::HttpConnectionManager::APPEND_FORWARD:
      out.client_cert = HttpConfig::ClientCert::AppendForward;
      break;
    case v3::HttpConnectionManager::SANITIZE_SET:
      out.client_cert = HttpConfig::ClientCert::SanitizeSet;
      break;
    case v3::HttpConnectionManager::ALWAYS_FORWARD_ONLY:
      out.client_cert = HttpConfig::ClientCert::AlwaysForwardOnly;
      break;
    default:
      out.client_cert = HttpConfig::ClientCert::Sanitize;
      break;
  }
  const auto& details = from.set_current_client_cert_details();
  out.cert_subject = details.subject().value();
  out.cert_pem = details.cert();
  out.cert_dns = details.dns();
  out.cert_uri = details.uri();
}

void compile_paths(const v3::HttpConnectionManager& from, HttpConfig& out) {
  out.normalize_path = from.normalize_path().value();
  out.merge_slashes = from.merge_slashes();
  switch (from.path_with_escaped_slashes_action()) {
    case v3::HttpConnectionManager::REJECT_REQUEST:
      out.escaped_slashes = HttpConfig::EscapedSlashes::Reject;
      break;
    case v3::HttpConnectionManager::UNESCAPE_AND_REDIRECT:
      out.escaped_slashes = HttpConfig::EscapedSlashes::Redirect;
      break;
    case v3::HttpConnectionManager::UNESCAPE_AND_FORWARD:
      out.escaped_slashes = HttpConfig::EscapedSlashes::Forward;
      break;
    default:
      break;
  }
  out.strip_matching_port = from.strip_matching_host_port();
  out.strip_any_port = from.strip_any_host_port();
  out.strip_trailing_dot = from.strip_trailing_host_dot();
}

std::unexpected<base::Error> refused(std::string_view field, std::string_view why) {
  return base::fail(base::ErrorKind::Invalid, std::string(field) + ": " + std::string(why));
}

base::Result<std::vector<AddressRange>> ranges_of(const google::protobuf::RepeatedPtrField<core::CidrRange>& from) {
  std::vector<AddressRange> out;
  for (const auto& range : from)
    out.push_back(TRY(AddressRange::parse(range.address_prefix(), range.prefix_len().value())));
  return out;
}

// Whose address a request has, where that is not the connection's.
base::Result<void> compile_detection(const v3::HttpConnectionManager& from, HttpConfig& out) {
  namespace detection = envoy::extensions::http::original_ip_detection;
  out.use_remote_address = from.use_remote_address().value();
  out.trusted_hops = from.xff_num_trusted_hops();
  out.skip_forwarded_append = from.skip_xff_append();
  out.append_forwarded_port = from.append_x_forwarded_port();
  out.internal = TRY(ranges_of(from.internal_address_config().cidr_ranges()));
  out.unix_is_internal = from.internal_address_config().unix_sockets();
  if (from.original_ip_detection_extensions().empty()) return {};
  constexpr std::string_view kField = "original_ip_detection_extensions";
  if (from.original_ip_detection_extensions_size() > 1) return refused(kField, "only one is known at a time");
  if (out.use_remote_address || out.trusted_hops)
    return refused(kField, "Original IP detection extensions and use_remote_address may not be mixed");
  const auto& extension = from.original_ip_detection_extensions(0);
  std::string type = type_of(extension.typed_config());
  if (type == "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig") {
    auto xff = TRY(unpack<detection::xff::v3::XffConfig>(extension.typed_config()));
    out.trusted_hops = xff.xff_num_trusted_hops();
    out.trusted_proxies = TRY(ranges_of(xff.xff_trusted_cidrs().cidrs()));
    out.appends_to_detected = xff.has_skip_xff_append() && !xff.skip_xff_append().value();
  } else if (type == "envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig") {
    auto header = TRY(unpack<detection::custom_header::v3::CustomHeaderConfig>(extension.typed_config()));
    out.address_header = base::to_lower(header.header_name());
    out.address_header_is_trusted = header.allow_extension_to_set_address_as_trusted();
    out.refuse_without_address = header.has_reject_with_status();
    if (int status = header.reject_with_status().code(); status >= 400) out.refuse_status = status;
  } else {
    return refused(kField, extension.name() + " (" + type + ") is not known");
  }
  return {};
}

base::Result<std::optional<LocalReply::Body>> body_of(const core::SubstitutionFormatString& from) {
  return LocalReply::Body{TRY(line_of(from)), content_type_of(from)};
}

base::Result<std::shared_ptr<const LocalReply>> local_reply_of(const v3::LocalReplyConfig& from) {
  auto out = std::make_shared<LocalReply>();
  for (const auto& entry : from.mappers()) {
    LocalReply::Mapper mapper;
    mapper.filter = TRY(filter_of(entry.filter()));
    if (entry.has_status_code()) mapper.status = static_cast<int>(entry.status_code().value());
    if (entry.has_body()) mapper.body = TRY(compile(entry.body()));
    if (entry.has_body_format_override()) mapper.format = TRY(body_of(entry.body_format_override()));
    mapper.headers = TRY(mutation_of(entry.headers_to_add(), {}));
    out->mappers.push_back(std::move(mapper));
  }
  if (from.has_body_format()) out->format = TRY(body_of(from.body_format()));
  return out;
}

ProxyStatus proxy_status_of(const v3::HttpConnectionManager::ProxyStatusConfig& from, const HttpConfig& http) {
  return {.name = from.literal_proxy_name().empty() ? http.server_name : from.literal_proxy_name(),
          .details = !from.remove_details(),
          .termination_details = !from.remove_connection_termination_details(),
          .flags = !from.remove_response_flags(),
          .recommended_status = from.set_recommended_response_code()};
}

// What would change a request or an answer and cannot be done is refused; see unread.h too.
base::Result<void> refuse_unknown(const v3::HttpConnectionManager& from) {
  if (from.proxy_status_config().use_node_id())
    return refused("proxy_status_config.use_node_id", "write literal_proxy_name");
  if (from.has_request_id_extension() &&
      type_of(from.request_id_extension().typed_config()) != "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig")
    return refused("request_id_extension", type_of(from.request_id_extension().typed_config()) + " is not known");
  if (from.strip_any_host_port() && from.strip_matching_host_port())
    return refused("strip_any_host_port", "it does not go together with strip_matching_host_port");
  return {};
}

base::Result<void> compile_limits(const v3::HttpConnectionManager& from, HttpConfig& out) {
  const auto& common = from.common_http_protocol_options();
  if (common.has_idle_timeout()) out.idle_timeout = milliseconds_of(common.idle_timeout());
  if (common.has_max_headers_count()) out.max_headers = common.max_headers_count().value();
  out.reject_underscores = common.headers_with_underscores_action() == core::HttpProtocolOptions::REJECT_REQUEST;
  out.drop_underscores = common.headers_with_underscores_action() == core::HttpProtocolOptions::DROP_HEADER;
  if (from.has_max_request_headers_kb()) out.max_header_bytes = from.max_request_headers_kb().value() * 1024ull;
  if (from.has_stream_idle_timeout()) out.stream_idle_timeout = milliseconds_of(from.stream_idle_timeout());
  if (common.has_max_stream_duration()) out.max_stream_duration = milliseconds_of(common.max_stream_duration());
  if (from.has_request_timeout()) out.request_timeout = milliseconds_of(from.request_timeout());
  if (from.has_request_headers_timeout()) out.headers_timeout = milliseconds_of(from.request_headers_timeout());
  if (from.http2_protocol_options().has_max_concurrent_streams())
    out.http2_streams = from.http2_protocol_options().max_concurrent_streams().value();
  const auto& http1 = from.http_protocol_options();
  out.allow_absolute_url = !http1.has_allow_absolute_url() || http1.allow_absolute_url().value();
  out.accept_http10 = from.http_protocol_options().accept_http_10();
  out.default_host = from.http_protocol_options().default_host_for_http_10();
  out.http1_trailers = from.http_protocol_options().enable_trailers();
  out.spelling = TRY(spelling_of(http1));
  if (common.has_max_connection_duration())
    out.max_connection_duration = milliseconds_of(common.max_connection_duration());
  out.spare_idle_http1 = from.http1_safe_max_connection_duration();
  out.max_requests = common.max_requests_per_connection().value();
  if (from.has_delayed_close_timeout()) out.delayed_close = milliseconds_of(from.delayed_close_timeout());
  if (from.has_drain_timeout()) out.drain_timeout = milliseconds_of(from.drain_timeout());
  out.http2 = TRY(http2_options_of(from.http2_protocol_options()));
  return {};
}

}  // namespace

base::Result<std::shared_ptr<const HttpConfig>> Compiler::http(const v3::HttpConnectionManager& from) const {
  auto out = std::make_shared<HttpConfig>();
  out->stat_prefix = from.stat_prefix();
  if (from.codec_type() == v3::HttpConnectionManager::HTTP1) out->codec = HttpConfig::Codec::Http1;
  if (from.codec_type() == v3::HttpConnectionManager::HTTP2) out->codec = HttpConfig::Codec::Http2;
  if (from.codec_type() == v3::HttpConnectionManager::HTTP3)
    return base::fail(base::ErrorKind::Invalid, "HTTP/3 is not known");
  if (from.has_rds()) {
    TRY(slots.set_source(Kind::RouteTable, from.rds().route_config_name(), from.rds().config_source()));
    out->routes = slots.route_table(from.rds().route_config_name());
  } else if (from.has_route_config()) {
    out->own_routes = TRY(route_table(from.route_config()));
  } else {
    return base::fail(base::ErrorKind::Invalid, "an HTTP connection manager without routes");
  }
  if (!from.server_name().empty()) out->server_name = from.server_name();
  if (from.server_header_transformation() == v3::HttpConnectionManager::APPEND_IF_ABSENT)
    out->server_header = HttpConfig::ServerHeader::AppendIfAbsent;
  if (from.server_header_transformation() == v3::HttpConnectionManager::PASS_THROUGH)
    out->server_header = HttpConfig::ServerHeader::PassThrough;
  out->via = from.via();
  TRY(refuse_unknown(from));
  TRY(compile_detection(from, *out));
  out->scheme = from.scheme_header_transformation().scheme_to_overwrite();
  if (!out->scheme.empty() && out->scheme != "http" && out->scheme != "https")
    return refused("scheme_header_transformation.scheme_to_overwrite", "http or https");
  out->scheme_of_upstream = from.scheme_header_transformation().match_upstream();
  if (from.has_local_reply_config()) out->local_reply = TRY(local_reply_of(from.local_reply_config()));
  if (from.has_proxy_status_config()) out->proxy_status = proxy_status_of(from.proxy_status_config(), *out);
  out->request_ids = !from.has_generate_request_id() || from.generate_request_id().value();
  out->keep_external_request_id = from.preserve_external_request_id();
  out->request_id_in_response = from.always_set_request_id_in_response();
  out->forward_100_continue = from.proxy_100_continue();
  out->allow_connect = from.http2_protocol_options().allow_connect();
  out->add_user_agent = from.add_user_agent().value();
  out->tells_overload = from.append_local_overload();
  for (const auto& upgrade : from.upgrade_configs()) {
    if (upgrade.filters_size())
      return base::fail(base::ErrorKind::Invalid,
                        "upgrade_configs.filters: filters for one kind of upgrade are not known");
    for (const UpgradeChoice& other : out->upgrades)
      if (base::equal_ignoring_case(other.type, upgrade.upgrade_type()))
        return refused("upgrade_configs", upgrade.upgrade_type() + " twice");
    out->upgrades.push_back(
        {base::to_lower(upgrade.upgrade_type()), !upgrade.has_enabled() || upgrade.enabled().value()});
  }
  compile_paths(from, *out);
  compile_identity(from, *out);
  TRY(compile_limits(from, *out));
  Compiler compiler{slots, logs, from.stat_prefix()};
  bool router = false;
  for (const auto& filter : from.http_filters()) {
    if (router) return base::fail(base::ErrorKind::Invalid, "HTTP filter " + filter.name() + " follows the router");
    if (type_of(filter.typed_config()) == "envoy.extensions.filters.http.router.v3.Router") {
      auto settings = TRY(unpack<envoy::extensions::filters::http::router::v3::Router>(filter.typed_config()));
      out->suppress_envoy_headers = settings.suppress_envoy_headers();
      router = true;
      continue;
    }
    if (auto compiled = TRY(compiler.filter(filter))) out->filters.push_back(std::move(compiled));
  }
  if (out->filters.size() > kMostFilters)
    return base::fail(base::ErrorKind::Invalid,
                      "more than " + std::to_string(kMostFilters) + " HTTP filters in one chain");
  if (!router) return base::fail(base::ErrorKind::Invalid, "the last HTTP filter must be the router");
  out->access_logs = TRY(access_logs(from.access_log()));
  return out;
}

}  // namespace proxy
