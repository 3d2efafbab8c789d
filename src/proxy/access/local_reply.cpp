// SPDX-License-Identifier: Apache-2.0
#include "proxy/access/local_reply.h"

namespace proxy {

using telemetry::Flag;

ProxyStatus::Error ProxyStatus::error_of(const telemetry::Record& record) {
  static constexpr std::pair<Flag, Error> kErrors[] = {
      {Flag::FailedLocalHealthCheck, {"destination_unavailable", 503}},
      {Flag::NoHealthyUpstream, {"destination_unavailable", 503}},
      {Flag::UpstreamRequestTimeout, {"http_response_timeout", 504}},
      {Flag::LocalReset, {"connection_timeout", 504}},
      {Flag::UpstreamRemoteReset, {"connection_terminated", 502}},
      {Flag::UpstreamConnectionFailure, {"connection_refused", 502}},
      {Flag::UpstreamTermination, {"connection_terminated", 502}},
      {Flag::UpstreamOverflow, {"connection_limit_reached", 503}},
      {Flag::NoRouteFound, {"destination_not_found", 500}},
      {Flag::RateLimited, {"connection_limit_reached", 503}},
      {Flag::RateLimitServiceError, {"connection_limit_reached", 503}},
      {Flag::UpstreamRetryLimitExceeded, {"destination_unavailable", 503}},
      {Flag::StreamIdleTimeout, {"http_response_timeout", 504}},
      {Flag::DownstreamProtocolError, {"http_request_error", 400}},
      {Flag::UpstreamMaxStreamDuration, {"http_response_timeout", 504}},
      {Flag::NoClusterFound, {"destination_unavailable", 503}},
      {Flag::OverloadManager, {"connection_limit_reached", 503}},
  };
  for (const auto& [flag, error] : kErrors)
    if (record.has(flag)) return error;
  return {};
}

std::string ProxyStatus::value_for(const telemetry::Record& record, std::string_view error) const {
  std::string out = name + "; error=" + std::string(error), about;
  auto add = [&](std::string_view text) {
    if (text.empty()) return;
    if (!about.empty()) about += "; ";
    for (char c : text) about += c == '"' || c == '\\' ? '\'' : c;
  };
  if (details) add(record.details);
  if (termination_details) add(record.termination_details);
  if (flags && record.flags) add(telemetry::flags_text(record.flags, record.protocol));
  if (!about.empty()) out += "; details=\"" + about + "\"";
  return out;
}

}  // namespace proxy
