// SPDX-License-Identifier: Apache-2.0
#include <google/protobuf/util/json_util.h>

#include "base/json.h"
#include "base/log.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "envoy/extensions/access_loggers/stream/v3/stream.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "proxy/runtime/compile.h"

namespace proxy {
namespace {

namespace v3 = envoy::extensions::filters::network::http_connection_manager::v3;
namespace accesslog = envoy::config::accesslog::v3;

base::Result<telemetry::LineFormat> line_of(const core::SubstitutionFormatString& from) {
  if (from.has_json_format()) {
    std::string json;
    if (!google::protobuf::util::MessageToJsonString(from.json_format(), &json).ok())
      return base::fail(base::ErrorKind::Invalid, "access log: json_format cannot be read");
    return telemetry::LineFormat::json(TRY(base::parse_json(json)));
  }
  if (from.has_text_format_source()) return telemetry::LineFormat::text(TRY(compile(from.text_format_source())));
  if (from.has_text_format()) return telemetry::LineFormat::text(from.text_format());
  return telemetry::LineFormat::standard();
}

LogFilter::Compare compare_of(const accesslog::ComparisonFilter& from) {
  switch (from.op()) {
    case accesslog::ComparisonFilter::GE:
      return LogFilter::Compare::AtLeast;
    case accesslog::ComparisonFilter::LE:
      return LogFilter::Compare::AtMost;
    case accesslog::ComparisonFilter::NE:
      return LogFilter::Compare::NotEqual;
    default:
      return LogFilter::Compare::Equal;
  }
}

base::Result<LogFilter> filter_of(const accesslog::AccessLogFilter& from) {
  using From = accesslog::AccessLogFilter;
  LogFilter out;
  auto parts = [&](const auto& filters) -> base::Result<void> {
    for (const auto& part : filters) out.parts.push_back(TRY(filter_of(part)));
    return {};
  };
  switch (from.filter_specifier_case()) {
    case From::kStatusCodeFilter:
      out.kind = LogFilter::Kind::Status;
      out.compare = compare_of(from.status_code_filter().comparison());
      out.number = from.status_code_filter().comparison().value().default_value();
      break;
    case From::kDurationFilter:
      out.kind = LogFilter::Kind::Duration;
      out.compare = compare_of(from.duration_filter().comparison());
      out.number = from.duration_filter().comparison().value().default_value();
      break;
    case From::kResponseFlagFilter:
      out.kind = LogFilter::Kind::Flags;
      for (const std::string& word : from.response_flag_filter().flags()) out.flags |= telemetry::flag_of(word);
      break;
    case From::kRuntimeFilter:
      out.kind = LogFilter::Kind::Fraction;
      out.number = per_million(from.runtime_filter().percent_sampled());
      break;
    case From::kHeaderFilter:
      out.kind = LogFilter::Kind::Header;
      out.header = TRY(compile(from.header_filter().header()));
      break;
    case From::kAndFilter:
      out.kind = LogFilter::Kind::And;
      TRY(parts(from.and_filter().filters()));
      break;
    case From::kOrFilter:
      out.kind = LogFilter::Kind::Or;
      TRY(parts(from.or_filter().filters()));
      break;
    case From::kNotHealthCheckFilter:
      out.kind = LogFilter::Kind::NotHealthCheck;
      break;
    case From::FILTER_SPECIFIER_NOT_SET:
      break;
    default:
      return base::fail(base::ErrorKind::Invalid, "an access log filter that is not known");
  }
  return out;
}

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

void compile_limits(const v3::HttpConnectionManager& from, HttpConfig& out) {
  const auto& common = from.common_http_protocol_options();
  if (common.has_idle_timeout()) out.idle_timeout = milliseconds_of(common.idle_timeout());
  if (common.has_max_headers_count()) out.max_headers = common.max_headers_count().value();
  out.reject_underscores = common.headers_with_underscores_action() == core::HttpProtocolOptions::REJECT_REQUEST;
  out.drop_underscores = common.headers_with_underscores_action() == core::HttpProtocolOptions::DROP_HEADER;
  if (from.has_max_request_headers_kb()) out.max_header_bytes = from.max_request_headers_kb().value() * 1024ull;
  if (from.has_stream_idle_timeout()) out.stream_idle_timeout = milliseconds_of(from.stream_idle_timeout());
  if (from.has_request_timeout()) out.request_timeout = milliseconds_of(from.request_timeout());
  if (from.has_request_headers_timeout()) out.headers_timeout = milliseconds_of(from.request_headers_timeout());
  if (from.http2_protocol_options().has_max_concurrent_streams())
    out.http2_streams = from.http2_protocol_options().max_concurrent_streams().value();
  out.accept_http10 = from.http_protocol_options().accept_http_10();
}

}  // namespace

base::Result<std::shared_ptr<LogFile>> LogFiles::open(const std::string& path) {
  if (auto it = files_.find(path); it != files_.end()) return it->second;
  auto file = TRY(LogFile::open(path));
  files_.emplace(path, file);
  return file;
}

void LogFiles::reopen_all() {
  for (auto& [path, file] : files_)
    if (auto done = file->reopen(); !done) base::log::warn("{}", done.error().message);
}

base::Result<std::vector<std::shared_ptr<const AccessLog>>> Compiler::access_logs(
    const google::protobuf::RepeatedPtrField<accesslog::AccessLog>& from) const {
  std::vector<std::shared_ptr<const AccessLog>> out;
  for (const auto& entry : from) {
    std::string type = type_of(entry.typed_config());
    auto log = std::make_shared<AccessLog>();
    if (type == "envoy.extensions.access_loggers.file.v3.FileAccessLog") {
      auto file = TRY(unpack<envoy::extensions::access_loggers::file::v3::FileAccessLog>(entry.typed_config()));
      log->file = TRY(logs.open(file.path()));
      if (file.has_format())
        log->format = TRY(telemetry::LineFormat::text(file.format()));
      else
        log->format = TRY(line_of(file.log_format()));
    } else if (type == "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog") {
      auto stream = TRY(unpack<envoy::extensions::access_loggers::stream::v3::StdoutAccessLog>(entry.typed_config()));
      log->file = TRY(logs.open("/dev/stdout"));
      log->format = TRY(line_of(stream.log_format()));
    } else if (type == "envoy.extensions.access_loggers.stream.v3.StderrAccessLog") {
      auto stream = TRY(unpack<envoy::extensions::access_loggers::stream::v3::StderrAccessLog>(entry.typed_config()));
      log->file = TRY(logs.open("/dev/stderr"));
      log->format = TRY(line_of(stream.log_format()));
    } else {
      base::log::warn("access log {} ({}) is not known and is left out", entry.name(), type);
      continue;
    }
    log->filter = TRY(filter_of(entry.filter()));
    out.push_back(std::move(log));
  }
  return out;
}

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
  out->use_remote_address = from.use_remote_address().value();
  out->trusted_hops = from.xff_num_trusted_hops();
  out->skip_forwarded_append = from.skip_xff_append();
  out->request_ids = !from.has_generate_request_id() || from.generate_request_id().value();
  out->keep_external_request_id = from.preserve_external_request_id();
  out->request_id_in_response = from.always_set_request_id_in_response();
  out->forward_100_continue = from.proxy_100_continue();
  out->tells_overload = from.append_local_overload();
  for (const auto& upgrade : from.upgrade_configs())
    if (base::equal_ignoring_case(upgrade.upgrade_type(), "websocket"))
      out->websocket = !upgrade.has_enabled() || upgrade.enabled().value();
  compile_paths(from, *out);
  compile_identity(from, *out);
  compile_limits(from, *out);
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
