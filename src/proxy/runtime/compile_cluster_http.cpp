// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "base/strings.h"
#include "envoy/extensions/http/header_formatters/preserve_case/v3/preserve_case.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"
#include "proxy/runtime/compile_upstream.h"

namespace proxy {
namespace {

namespace v3 = envoy::config::cluster::v3;
using HttpProtocolOptions = envoy::extensions::upstreams::http::v3::HttpProtocolOptions;

base::Result<void> common_options(const core::HttpProtocolOptions& from, Cluster& out) {
  if (from.has_idle_timeout()) out.idle_timeout = milliseconds_of(from.idle_timeout());
  if (from.has_max_connection_duration()) out.max_connection_duration = milliseconds_of(from.max_connection_duration());
  if (from.has_max_requests_per_connection())
    out.max_requests_per_connection = from.max_requests_per_connection().value();
  if (from.has_max_headers_count()) out.max_response_headers = from.max_headers_count().value();
  if (from.has_max_response_headers_kb())
    out.max_response_header_bytes = size_t{from.max_response_headers_kb().value()} * 1024;
  if (from.has_max_stream_duration() && milliseconds_of(from.max_stream_duration()).count())
    return not_acting("common_http_protocol_options.max_stream_duration of a cluster");
  return {};
}

base::Result<void> http1_options(const core::Http1ProtocolOptions& from, Cluster& out) {
  out.http1_trailers = from.enable_trailers();
  out.spelling = TRY(spelling_of(from));
  if (from.send_fully_qualified_url()) return not_acting("http_protocol_options.send_fully_qualified_url");
  return {};
}

base::Result<void> http2_options(const core::Http2ProtocolOptions& from, Cluster& out) {
  out.http2 = TRY(http2_options_of(from));
  if (from.has_max_concurrent_streams()) {
    out.http2_streams = from.max_concurrent_streams().value();
    if (!out.http2_streams) return base::fail(base::ErrorKind::Invalid, "max_concurrent_streams must be 1 or more");
  }
  if (from.allow_metadata()) return not_acting("http2_protocol_options.allow_metadata");
  if (from.custom_settings_parameters_size()) return not_acting("http2_protocol_options.custom_settings_parameters");
  return {};
}

void names_of(const core::UpstreamHttpProtocolOptions& from, Cluster& out) {
  out.transport.sni_from_host |= from.auto_sni();
  out.transport.check_host |= from.auto_san_validation();
  if (!from.override_auto_sni_header().empty())
    out.transport.sni_header = base::to_lower(from.override_auto_sni_header());
}

base::Result<void> refuse_filters(const HttpProtocolOptions& from) {
  for (const auto& filter : from.http_filters()) {
    const std::string type = type_of(filter.typed_config());
    if (!type.ends_with("upstream_codec.v3.UpstreamCodec"))
      return not_acting("the upstream HTTP filter " + filter.name() + " (" + type + ")");
  }
  if (from.has_header_validation_config()) return not_acting("HttpProtocolOptions.header_validation_config");
  if (from.has_outlier_detection()) return not_acting("HttpProtocolOptions.outlier_detection");
  if (from.request_mirror_policies_size()) return not_acting("HttpProtocolOptions.request_mirror_policies");
  if (from.hash_policy_size()) return not_acting("HttpProtocolOptions.hash_policy");
  if (from.has_retry_policy()) return not_acting("HttpProtocolOptions.retry_policy");
  return {};
}

}  // namespace

base::Result<std::optional<http::h1::Spelling>> spelling_of(const core::Http1ProtocolOptions& from) {
  using http::h1::Spelling;
  using PreserveCase = envoy::extensions::http::header_formatters::preserve_case::v3::PreserveCaseFormatterConfig;
  const auto& format = from.header_key_format();
  if (format.has_proper_case_words()) return Spelling(false, Spelling::Unknown::Proper);
  if (!format.has_stateful_formatter()) return std::nullopt;
  const auto& formatter = format.stateful_formatter();
  if (type_of(formatter.typed_config()) != PreserveCase::descriptor()->full_name())
    return no_implementation(formatter.name(), formatter.typed_config());
  auto preserve = TRY(unpack<PreserveCase>(formatter.typed_config()));
  const bool proper = preserve.formatter_type_on_envoy_headers() == PreserveCase::PROPER_CASE;
  return Spelling(true, proper ? Spelling::Unknown::Proper : Spelling::Unknown::Lower);
}

base::Result<Http2Options> http2_options_of(const core::Http2ProtocolOptions& from) {
  auto window = [](const google::protobuf::UInt32Value& value, const char* name) -> base::Result<uint32_t> {
    if (value.value() < 65'535 || value.value() > 2'147'483'647)
      return base::fail(base::ErrorKind::Invalid, std::string(name) + " lies within 65535 and 2147483647");
    return value.value();
  };
  Http2Options out;
  if (from.has_initial_stream_window_size())
    out.stream_window = TRY(window(from.initial_stream_window_size(), "initial_stream_window_size"));
  if (from.has_initial_connection_window_size())
    out.connection_window = TRY(window(from.initial_connection_window_size(), "initial_connection_window_size"));
  if (from.has_hpack_table_size()) out.header_table = from.hpack_table_size().value();
  if (!from.has_connection_keepalive()) return out;
  const auto& keepalive = from.connection_keepalive();
  out.ping_interval = milliseconds_of(keepalive.interval());
  out.ping_timeout = milliseconds_of(keepalive.timeout());
  out.ping_idle = milliseconds_of(keepalive.connection_idle_interval());
  if (keepalive.has_interval_jitter()) out.ping_jitter = keepalive.interval_jitter().value() / 100;
  if (out.ping_timeout.count() <= 0)
    return base::fail(base::ErrorKind::Invalid, "connection_keepalive.timeout is needed");
  return out;
}

base::Result<void> compile_http(const v3::Cluster& from, Cluster& out) {
  if (from.has_max_requests_per_connection())
    out.max_requests_per_connection = from.max_requests_per_connection().value();
  if (from.has_http2_protocol_options()) {
    out.http = Cluster::Http::Http2;
    TRY(http2_options(from.http2_protocol_options(), out));
  }
  if (from.has_http_protocol_options()) TRY(http1_options(from.http_protocol_options(), out));
  TRY(common_options(from.common_http_protocol_options(), out));
  names_of(from.upstream_http_protocol_options(), out);
  if (from.protocol_selection() == v3::Cluster::USE_DOWNSTREAM_PROTOCOL) out.http = Cluster::Http::AsDownstream;
  constexpr char kHttp[] = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
  for (const auto& [name, any] : from.typed_extension_protocol_options())
    if (name != kHttp)
      return base::fail(base::ErrorKind::Invalid,
                        "Didn't find a registered network filter or http filter or protocol options implementation for "
                        "name: '" +
                            name + "'");
  auto it = from.typed_extension_protocol_options().find(kHttp);
  if (it == from.typed_extension_protocol_options().end()) return {};
  auto options = TRY(unpack<HttpProtocolOptions>(it->second));
  TRY(refuse_filters(options));
  if (options.upstream_protocol_options_case() == 0)
    return base::fail(base::ErrorKind::Invalid, "HttpProtocolOptions say no upstream_protocol_options");
  auto both = [&](const auto& protocols) -> base::Result<void> {
    if (protocols.has_http_protocol_options()) TRY(http1_options(protocols.http_protocol_options(), out));
    if (protocols.has_http2_protocol_options()) TRY(http2_options(protocols.http2_protocol_options(), out));
    return {};
  };
  if (options.has_explicit_http_config()) {
    out.http =
        options.explicit_http_config().has_http2_protocol_options() ? Cluster::Http::Http2 : Cluster::Http::Http1;
    TRY(both(options.explicit_http_config()));
  } else if (options.has_use_downstream_protocol_config()) {
    out.http = Cluster::Http::AsDownstream;
    TRY(both(options.use_downstream_protocol_config()));
  } else if (options.has_auto_config()) {
    if (options.auto_config().has_alternate_protocols_cache_options())
      return not_acting("auto_config.alternate_protocols_cache_options");
    out.http = Cluster::Http::ByAlpn;
    TRY(both(options.auto_config()));
  }
  TRY(common_options(options.common_http_protocol_options(), out));
  names_of(options.upstream_http_protocol_options(), out);
  return {};
}

}  // namespace proxy
