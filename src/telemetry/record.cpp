// SPDX-License-Identifier: Apache-2.0
#include "telemetry/record.h"

#include <utility>

namespace telemetry {

static constexpr std::pair<Flag, std::string_view> kFlags[] = {
    {Flag::NoHealthyUpstream, "UH"},
    {Flag::UpstreamConnectionFailure, "UF"},
    {Flag::UpstreamOverflow, "UO"},
    {Flag::NoRouteFound, "NR"},
    {Flag::UpstreamRetryLimitExceeded, "URX"},
    {Flag::NoClusterFound, "NC"},
    {Flag::DurationTimeout, "DT"},
    {Flag::DownstreamTermination, "DC"},
    {Flag::LocalReset, "LR"},
    {Flag::UpstreamRemoteReset, "UR"},
    {Flag::UpstreamTermination, "UC"},
    {Flag::DelayInjected, "DI"},
    {Flag::FaultInjected, "FI"},
    {Flag::RateLimited, "RL"},
    {Flag::UnauthorizedExternal, "UAEX"},
    {Flag::UpstreamRequestTimeout, "UT"},
    {Flag::StreamIdleTimeout, "SI"},
    {Flag::DownstreamProtocolError, "DPE"},
    {Flag::UpstreamProtocolError, "UPE"},
    {Flag::UpstreamMaxStreamDuration, "UMSDR"},
    {Flag::OverloadManager, "OM"},
};

std::string flags_text(uint32_t flags) {
  std::string out;
  for (const auto& [flag, word] : kFlags) {
    if (!(flags & static_cast<uint32_t>(flag))) continue;
    if (!out.empty()) out += ',';
    out += word;
  }
  return out.empty() ? "-" : out;
}

uint32_t flag_of(std::string_view word) {
  for (const auto& [flag, known] : kFlags)
    if (known == word) return static_cast<uint32_t>(flag);
  return 0;
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
