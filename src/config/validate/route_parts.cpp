// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "config/validate/routes.h"

namespace config {
namespace {

namespace api = networking;

constexpr std::string_view kRetryOn[] = {"5xx",
                                         "gateway-error",
                                         "reset",
                                         "reset-before-request",
                                         "connect-failure",
                                         "retriable-4xx",
                                         "refused-stream",
                                         "retriable-status-codes",
                                         "retriable-headers",
                                         "envoy-ratelimited",
                                         "http3-post-connect-failure",
                                         "cancelled",
                                         "deadline-exceeded",
                                         "internal",
                                         "resource-exhausted",
                                         "unavailable"};

void check_retry_on(Report& report, const Path& path, std::string_view text) {
  for (std::string_view piece : base::split(text, ',')) {
    piece = base::trim(piece);
    if (auto code = base::parse_number<int>(piece); code && *code >= 100 && *code < 600) continue;
    if (std::ranges::find(kRetryOn, piece) == std::end(kRetryOn))
      report.error("SN0140", path, in_quotes(piece) + " is not a valid retryOn policy",
                   "one of " + base::join(kRetryOn, ", ") + ", or a status code");
  }
}

bool is_grpc_status(std::string_view text) {
  static constexpr std::string_view kNames[] = {
      "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
      "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
      "DATA_LOSS", "UNAUTHENTICATED"};
  if (auto number = base::parse_number<uint32_t>(text)) return *number < std::size(kNames);
  return std::ranges::find(kNames, text) != std::end(kNames);
}

void check_operations(Report& report, const Path& path, const api::Headers_HeaderOperations& operations) {
  auto each = [&](const auto& map, std::string_view field) {
    for (const auto& [name, value] : map) {
      check_header_name(report, path / field, name);
      check_header_value(report, (path / field)(name), value);
    }
  };
  each(operations.set(), "set");
  each(operations.add(), "add");
  for (const std::string& name : operations.remove()) check_header_name(report, path / "remove", name);
}

}  // namespace

void check_match(Report& report, const Path& path, const api::HTTPMatchRequest& match) {
  auto each = [&](const auto& map, std::string_view field) {
    for (const auto& [name, value] : map) {
      if (!name.starts_with("@request.auth.claims")) check_header_name(report, path / field, name);
      check_string_match(report, (path / field)(name), value);
    }
  };
  each(match.headers(), "headers");
  each(match.without_headers(), "withoutHeaders");
  for (const auto& [name, value] : match.query_params()) {
    check_string_match(report, (path / "queryParams")(name), value);
    if (name.empty() || name.size() > 1024)
      report.error("SN0118", path / "queryParams", "a query parameter's name has 1 to 1024 bytes");
  }
  if (match.has_uri()) check_string_match(report, path / "uri", match.uri());
  if (match.has_scheme()) check_string_match(report, path / "scheme", match.scheme());
  if (match.has_method()) check_string_match(report, path / "method", match.method());
  if (match.has_authority()) check_string_match(report, path / "authority", match.authority());
  if (match.port() != 0) check_port(report, path / "port", match.port());
  check_labels(report, path / "sourceLabels", match.source_labels());
  if (match.ignore_uri_case() && match.uri().has_regex())
    report.warn("SN0141", path, "ignoreUriCase has no effect on a regex uri", "write (?i) into the regex");
  if (!match.stat_prefix().empty()) report.not_acting(path / "statPrefix", "statPrefix");
}

void check_retries(Report& report, const Path& path, const api::HTTPRetry& retries) {
  if (retries.attempts() < 0) report.error("SN0140", path / "attempts", "attempts cannot be negative");
  if (retries.attempts() == 0 &&
      (retries.has_per_try_timeout() || !retries.retry_on().empty() || retries.has_retry_remote_localities()))
    report.error("SN0140", path, "http retry policy configured when attempts are set to 0 (disabled)");
  if (retries.has_per_try_timeout()) check_duration(report, path / "perTryTimeout", retries.per_try_timeout());
  if (retries.has_backoff()) check_duration(report, path / "backoff", retries.backoff());
  if (!retries.retry_on().empty()) check_retry_on(report, path / "retryOn", retries.retry_on());
}

void check_fault(Report& report, const Path& path, const api::HTTPFaultInjection& fault) {
  if (!fault.has_delay() && !fault.has_abort())
    report.error("SN0142", path, "HTTP fault injection must have an abort and/or a delay");
  if (fault.has_delay()) {
    check_percent(report, path / "delay" / "percent", fault.delay().percent());
    if (fault.delay().has_percentage())
      check_percent(report, path / "delay" / "percentage", fault.delay().percentage().value());
    if (!fault.delay().has_fixed_delay())
      report.error("SN0142", path / "delay", "HTTP fault delay must have a fixedDelay");
    else
      check_duration(report, path / "delay" / "fixedDelay", fault.delay().fixed_delay());
  }
  if (!fault.has_abort()) return;
  const auto& abort = fault.abort();
  if (abort.has_percentage()) check_percent(report, path / "abort" / "percentage", abort.percentage().value());
  if (!abort.has_http_status() && !abort.has_grpc_status())
    report.error("SN0142", path / "abort", "HTTP abort fault error type must be httpStatus or grpcStatus");
  if (abort.has_grpc_status() && !is_grpc_status(abort.grpc_status()))
    report.error("SN0142", path / "abort" / "grpcStatus", in_quotes(abort.grpc_status()) + " is not a gRPC status",
                 "UNAVAILABLE, or its number: 14");
  if (abort.has_http_status() && (abort.http_status() < 200 || abort.http_status() > 599))
    report.error("SN0142", path / "abort" / "httpStatus",
                 "HTTP abort status " + std::to_string(abort.http_status()) + " is not in range 200..599");
}

void check_cors(Report& report, const Path& path, const api::CorsPolicy& cors) {
  for (int i = 0; i < cors.allow_origins_size(); ++i) {
    Path at = (path / "allowOrigins")[i];
    check_string_match(report, at, cors.allow_origins(i));
    if (cors.allow_origins(i).match_type_case() == api::StringMatch::MATCH_TYPE_NOT_SET)
      report.error("SN0143", at, "an origin to allow must be said", "one of exact, prefix and regex");
  }
  for (const std::string& name : cors.allow_headers()) check_one_line(report, path / "allowHeaders", name);
  for (const std::string& name : cors.expose_headers()) check_one_line(report, path / "exposeHeaders", name);
  static constexpr std::string_view kMethods[] = {"GET",    "HEAD",    "POST",    "PUT",   "PATCH",
                                                  "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"};
  for (int i = 0; i < cors.allow_methods_size(); ++i)
    if (std::ranges::find(kMethods, cors.allow_methods(i)) == std::end(kMethods))
      report.error("SN0143", (path / "allowMethods")[i],
                   in_quotes(cors.allow_methods(i)) + " is not a supported HTTP method");
  if (cors.has_max_age() && cors.max_age().seconds() < 0)
    report.error("SN0143", path / "maxAge", "max_age duration cannot be negative");
}

void check_headers(Report& report, const Path& path, const api::Headers& headers) {
  check_operations(report, path / "request", headers.request());
  check_operations(report, path / "response", headers.response());
}

}  // namespace config
