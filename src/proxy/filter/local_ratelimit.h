// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>

#include "proxy/filter/filter.h"
#include "proxy/filter/token_bucket.h"
#include "proxy/listener/session.h"
#include "proxy/route/mutation.h"
#include "proxy/route/rate_limit.h"

namespace proxy {

// What a local rate limit was told: for its listener, or by one route. The
// buckets are the process's; a configuration that changes begins with full ones.
struct LocalRateLimit final : FilterPolicy, std::enable_shared_from_this<LocalRateLimit> {
  struct Limit {
    std::vector<std::pair<std::string, std::string>> entries;
    TokenBucket::Rate rate;
  };
  struct Buckets {
    explicit Buckets(const LocalRateLimit& from);
    std::deque<TokenBucket> limits;  // as LocalRateLimit::limits
    std::optional<TokenBucket> fallback;
  };

  int status = 429;
  std::optional<TokenBucket::Rate> rate;  // of requests that no descriptor knows
  std::vector<Limit> limits;
  uint32_t enabled_per_million = 0, enforced_per_million = 0;
  HeaderMutation request_when_not_enforced, response;
  uint32_t stage = 0;
  bool per_connection = false;
  bool tell = false;  // x-ratelimit-* in responses
  bool always_take_fallback = true;
  bool resource_exhausted = false;  // what gRPC is told in place of UNAVAILABLE
  HostRateLimits hosts = HostRateLimits::WhereRouteHasNone;
  std::vector<RateLimitRule> rules;                                     // in place of the route's
  std::unique_ptr<Buckets> buckets;                                     // none where each connection has its own
  Slot enabled = kNone, enforced = kNone, limited = kNone, ok = kNone;  // counters

  // Takes from every bucket that counts for these descriptors; the bucket that
  // refused, or the scarcest one. No bucket: nothing limits them.
  struct Outcome {
    bool allowed = true;
    const TokenBucket* bucket = nullptr;
  };
  Outcome take(Buckets& from, const std::vector<RateLimitDescriptor>& descriptors, TokenBucket::Time now) const;
};

// Answers 429 where more requests come than the buckets allow.
class LocalRateLimitFilter final : public Filter {
 public:
  explicit LocalRateLimitFilter(std::shared_ptr<const LocalRateLimit> limit) : limit_(std::move(limit)) {}
  std::string_view name() const override { return "envoy.filters.http.local_ratelimit"; }
  Verdict on_request(Stream& stream) const override;
  void on_response(Stream& stream, http::ResponseHead& head) const override;

 private:
  const LocalRateLimit& limit_of(const Stream& stream) const;
  std::shared_ptr<const LocalRateLimit> limit_;
};

// The same for connections; those over the limit are closed.
class LocalConnectionRate final : public NetworkFilter {
 public:
  LocalConnectionRate(std::shared_ptr<TokenBucket> bucket, Slot limited)
      : bucket_(std::move(bucket)), limited_(limited) {}
  std::string_view name() const override { return "envoy.filters.network.local_ratelimit"; }
  std::optional<std::string> refuses(Worker& worker, const Origin& origin) const override;

 private:
  const std::shared_ptr<TokenBucket> bucket_;  // may be shared by a share_key
  const Slot limited_;
};

}  // namespace proxy
