// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proxy/route/match.h"

namespace proxy {

class Stream;

// One `actions` entry of a route's rate limits: how a request yields one part of a descriptor.
struct RateLimitAction {
  enum class Kind : uint8_t {
    SourceCluster,
    DestinationCluster,
    Header,
    Query,
    RemoteAddress,
    MaskedRemoteAddress,
    GenericKey,
    HeaderValueMatch,
    QueryValueMatch,
    Metadata
  };
  Kind kind = Kind::GenericKey;
  std::string key;
  std::string value;              // GenericKey, *ValueMatch
  std::string name;               // Header (lower case), Query; Metadata: the namespace
  std::vector<std::string> path;  // Metadata
  std::string fallback;           // Metadata: where there is none
  bool of_route = false;          // Metadata: the route's own, not the dynamic one
  bool skip_if_absent = false;
  bool expect_match = true;
  uint32_t v4_bits = 32, v6_bits = 128;
  std::vector<HeaderMatch> headers;
  std::vector<QueryMatch> query;
};

struct RateLimitRule {
  uint32_t stage = 0;
  std::vector<RateLimitAction> actions;
  std::optional<uint64_t> hits;  // what a request counts
};

struct RateLimitDescriptor {
  std::vector<std::pair<std::string, std::string>> entries;
  std::optional<uint64_t> hits;
};

// How the virtual host's rules stand beside the route's.
enum class HostRateLimits : uint8_t { WhereRouteHasNone, Too, Never };

// The descriptors of a request, by rules of one stage. A rule one of whose
// actions has nothing to say yields none (as Envoy).
void describe(const std::vector<RateLimitRule>& rules, uint32_t stage, Stream& stream,
              std::vector<RateLimitDescriptor>& out);
// The same by the rules of the request's route and virtual host.
std::vector<RateLimitDescriptor> describe_by_route(uint32_t stage, HostRateLimits hosts, Stream& stream);

}  // namespace proxy
