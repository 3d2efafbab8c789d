// SPDX-License-Identifier: Apache-2.0
#include "telemetry/record.h"

#include <utility>

namespace telemetry {

struct FlagWords {
  Flag flag;
  std::string_view word, long_word;
};

// In the order in which Envoy prints them.
static constexpr FlagWords kFlags[] = {
    {Flag::FailedLocalHealthCheck, "LH", "FailedLocalHealthCheck"},
    {Flag::NoHealthyUpstream, "UH", "NoHealthyUpstream"},
    {Flag::UpstreamRequestTimeout, "UT", "UpstreamRequestTimeout"},
    {Flag::LocalReset, "LR", "LocalReset"},
    {Flag::UpstreamRemoteReset, "UR", "UpstreamRemoteReset"},
    {Flag::UpstreamConnectionFailure, "UF", "UpstreamConnectionFailure"},
    {Flag::UpstreamTermination, "UC", "UpstreamConnectionTermination"},
    {Flag::UpstreamOverflow, "UO", "UpstreamOverflow"},
    {Flag::NoRouteFound, "NR", "NoRouteFound"},
    {Flag::DelayInjected, "DI", "DelayInjected"},
    {Flag::FaultInjected, "FI", "FaultInjected"},
    {Flag::RateLimited, "RL", "RateLimited"},
    {Flag::UnauthorizedExternal, "UAEX", "UnauthorizedExternalService"},
    {Flag::RateLimitServiceError, "RLSE", "RateLimitServiceError"},
    {Flag::DownstreamTermination, "DC", "DownstreamConnectionTermination"},
    {Flag::UpstreamRetryLimitExceeded, "URX", "UpstreamRetryLimitExceeded"},
    {Flag::StreamIdleTimeout, "SI", "StreamIdleTimeout"},
    {Flag::DownstreamProtocolError, "DPE", "DownstreamProtocolError"},
    {Flag::UpstreamProtocolError, "UPE", "UpstreamProtocolError"},
    {Flag::UpstreamMaxStreamDuration, "UMSDR", "UpstreamMaxStreamDurationReached"},
    {Flag::NoClusterFound, "NC", "NoClusterFound"},
    {Flag::OverloadManager, "OM", "OverloadManagerTerminated"},
    {Flag::DurationTimeout, "DT", "DurationTimeout"},
    {Flag::DownstreamRemoteReset, "DR", "DownstreamRemoteReset"},
};

static std::string text_of(uint32_t flags, Protocol protocol, std::string_view FlagWords::* word) {
  std::string out;
  auto add = [&](uint32_t wanted) {
    for (const FlagWords& known : kFlags) {
      if (!(wanted & static_cast<uint32_t>(known.flag))) continue;
      if (!out.empty()) out += ',';
      out += known.*word;
    }
  };
  // As Envoy, which of a request notes first that it may not be tried again, and then how it failed.
  constexpr auto kLimit = static_cast<uint32_t>(Flag::UpstreamRetryLimitExceeded);
  const uint32_t first = protocol == Protocol::Tcp ? 0 : flags & kLimit;
  add(first);
  add(flags & ~first);
  return out.empty() ? "-" : out;
}

std::string flags_text(uint32_t flags, Protocol protocol) {
  return flags ? text_of(flags, protocol, &FlagWords::word) : "-";
}
std::string long_flags_text(uint32_t flags, Protocol protocol) {
  return text_of(flags, protocol, &FlagWords::long_word);
}

uint32_t flag_of(std::string_view word) {
  for (const FlagWords& known : kFlags)
    if (known.word == word) return static_cast<uint32_t>(known.flag);
  return 0;
}

std::string_view name(LogType type) {
  switch (type) {
    case LogType::NotSet:
      return "NotSet";
    case LogType::DownstreamEnd:
      return "DownstreamEnd";
    case LogType::TcpUpstreamConnected:
      return "TcpUpstreamConnected";
    case LogType::TcpPeriodic:
      return "TcpPeriodic";
    case LogType::TcpConnectionEnd:
      return "TcpConnectionEnd";
  }
  return "";
}

int grpc_status_of_http(int status) {
  switch (status) {
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;
    default:
      return 2;
  }
}

std::string_view name(Protocol protocol) {
  switch (protocol) {
    case Protocol::Http10:
      return "HTTP/1.0";
    case Protocol::Http11:
      return "HTTP/1.1";
    case Protocol::Http2:
      return "HTTP/2";
    default:
      return "-";
  }
}

}  // namespace telemetry
