// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proxy/filter/filter.h"
#include "proxy/route/mutation.h"
#include "proxy/route/rate_limit.h"
#include "proxy/stream/side_call.h"

namespace proxy {

struct RateLimitPolicy final : FilterPolicy {
  std::string domain;  // empty: the listener's
  HostRateLimits hosts = HostRateLimits::WhereRouteHasNone;
  std::vector<RateLimitRule> rules;  // in place of the route's, where there are some
};

// Asks a rate limit service (envoy.service.ratelimit.v3) about requests that a
// route's rate_limits describe, and answers 429 for those over the limit.
class RateLimitFilter final : public Filter {
 public:
  enum class Whom : uint8_t { Both, Internal, External };
  struct Config {
    std::string domain;
    std::string authority;
    std::shared_ptr<const SideTarget> service;
    http::Headers metadata;  // of each call
    uint32_t stage = 0;
    Whom whom = Whom::Both;
    bool deny_on_error = false;
    bool resource_exhausted = false;
    bool tell = false;            // x-ratelimit-* in responses
    bool say_ratelimited = true;  // x-envoy-ratelimited
    int status = 429, error_status = 500;
    HeaderMutation response;  // of the answer to limited requests
    std::vector<RateLimitRule> rules;
    uint32_t enabled_per_million = 1'000'000, enforced_per_million = 1'000'000;
  };
  explicit RateLimitFilter(Config config) : config_(std::move(config)) {}
  std::string_view name() const override { return "envoy.filters.http.ratelimit"; }
  Verdict on_request(Stream& stream) const override;
  void on_response(Stream& stream, http::ResponseHead& head) const override;

 private:
  void decide(Stream& stream, SideAnswer& answer) const;
  void fail(Stream& stream) const;
  const Config config_;
};

}  // namespace proxy
