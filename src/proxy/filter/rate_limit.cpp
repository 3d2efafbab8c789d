// SPDX-License-Identifier: Apache-2.0
#include "proxy/route/rate_limit.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/strings.h"
#include "proxy/listener/listener_config.h"
#include "proxy/stream/stream.h"

namespace proxy {
namespace {

using Kind = RateLimitAction::Kind;

// The address without its last bits, and with how many are left: "10.1.0.0/16".
std::optional<std::string> masked(std::string_view ip, uint32_t v4_bits, uint32_t v6_bits) {
  auto address = net::Address::parse(ip, 0);
  if (!address) return std::nullopt;
  bool v6 = ip.find(':') != ip.npos;
  uint32_t bits = v6 ? v6_bits : v4_bits;
  unsigned char bytes[16] = {};
  inet_pton(v6 ? AF_INET6 : AF_INET, std::string(ip).c_str(), bytes);
  for (uint32_t i = 0; i < (v6 ? 128u : 32u); ++i)
    if (i >= bits) bytes[i / 8] &= static_cast<unsigned char>(~(0x80 >> i % 8));
  char text[INET6_ADDRSTRLEN];
  if (!inet_ntop(v6 ? AF_INET6 : AF_INET, bytes, text, sizeof text)) return std::nullopt;
  return std::string(text) + "/" + std::to_string(bits);
}

std::optional<std::string> text_of(const base::Json* value) {
  if (!value) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  return std::nullopt;
}

// False: the action has nothing to say, and the whole descriptor falls.
bool apply(const RateLimitAction& action, Stream& stream, RateLimitDescriptor& out) {
  auto add = [&](std::string value) {
    out.entries.emplace_back(action.key, std::move(value));
    return true;
  };
  switch (action.kind) {
    case Kind::SourceCluster:
      return add(stream.worker().options.service_cluster);
    case Kind::DestinationCluster: {
      auto name = stream.target_cluster_name();
      return name && add(std::string(*name));
    }
    case Kind::Header: {
      std::string joined;
      auto value = header_of(stream.request, action.name, joined);
      if (!value) return action.skip_if_absent;
      return add(std::string(*value));
    }
    case Kind::Query: {
      auto value = http::query_parameter(stream.request.query(), action.name);
      if (!value) return action.skip_if_absent;
      return add(std::move(*value));
    }
    case Kind::RemoteAddress:
      return add(stream.client_address().ip());
    case Kind::MaskedRemoteAddress: {
      auto value = masked(stream.client_address().ip(), action.v4_bits, action.v6_bits);
      return value && add(std::move(*value));
    }
    case Kind::GenericKey:
      return add(action.value);
    case Kind::HeaderValueMatch: {
      bool all = std::all_of(action.headers.begin(), action.headers.end(),
                             [&](const HeaderMatch& m) { return m.matches(stream.request); });
      return all == action.expect_match && add(action.value);
    }
    case Kind::QueryValueMatch: {
      bool all = std::all_of(action.query.begin(), action.query.end(),
                             [&](const QueryMatch& m) { return m.matches(stream.request); });
      return all == action.expect_match && add(action.value);
    }
    case Kind::Metadata: {
      const Metadata* facts =
          action.of_route ? (stream.route() ? stream.route()->facts.get() : nullptr) : &stream.metadata;
      auto value = facts ? text_of(facts->find(action.name, action.path)) : std::nullopt;
      if (value && !value->empty()) return add(std::move(*value));
      if (!action.fallback.empty()) return add(action.fallback);
      return action.skip_if_absent;
    }
  }
  return false;
}

}  // namespace

void describe(const std::vector<RateLimitRule>& rules, uint32_t stage, Stream& stream,
              std::vector<RateLimitDescriptor>& out) {
  for (const RateLimitRule& rule : rules) {
    if (rule.stage != stage) continue;
    RateLimitDescriptor descriptor{.hits = rule.hits};
    bool all = std::all_of(rule.actions.begin(), rule.actions.end(),
                           [&](const RateLimitAction& action) { return apply(action, stream, descriptor); });
    if (all && !descriptor.entries.empty()) out.push_back(std::move(descriptor));
  }
}

std::vector<RateLimitDescriptor> describe_by_route(uint32_t stage, HostRateLimits hosts, Stream& stream) {
  std::vector<RateLimitDescriptor> out;
  const Route* route = stream.route();
  const VirtualHost* host = stream.virtual_host();
  if (route) describe(route->rate_limits, stage, stream, out);
  if (!host) return out;
  bool too = hosts == HostRateLimits::Too || (route && route->include_host_rate_limits);
  if (too || (hosts == HostRateLimits::WhereRouteHasNone && (!route || route->rate_limits.empty())))
    describe(host->rate_limits, stage, stream, out);
  return out;
}

}  // namespace proxy
