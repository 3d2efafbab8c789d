// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/local_ratelimit.h"

#include <algorithm>

#include "proxy/stream/stream.h"

namespace proxy {
namespace {

// What a connection has of its own; found by the configuration that it belongs to.
struct OwnBuckets final : Origin::Kept {
  explicit OwnBuckets(const LocalRateLimit& limit) : limit(limit.shared_from_this()), buckets(limit) {}
  std::shared_ptr<const LocalRateLimit> limit;  // so that no other one has its address
  LocalRateLimit::Buckets buckets;
};

struct Deciding final : FilterState {
  const TokenBucket* bucket = nullptr;
};

}  // namespace

LocalRateLimit::Buckets::Buckets(const LocalRateLimit& from) {
  for (const Limit& limit : from.limits) limits.emplace_back(limit.rate);
  if (from.rate) fallback.emplace(*from.rate);
}

LocalRateLimit::Outcome LocalRateLimit::take(Buckets& from, const std::vector<RateLimitDescriptor>& descriptors,
                                             TokenBucket::Time now) const {
  std::vector<std::pair<TokenBucket*, uint32_t>> known;
  for (const RateLimitDescriptor& descriptor : descriptors)
    for (size_t i = 0; i < limits.size(); ++i)
      if (limits[i].entries == descriptor.entries)
        known.emplace_back(&from.limits[i], static_cast<uint32_t>(descriptor.hits.value_or(1)));
  std::sort(known.begin(), known.end(),
            [](const auto& a, const auto& b) { return a.first->rate().per_second < b.first->rate().per_second; });
  for (auto [bucket, hits] : known)
    if (!bucket->take(hits, now)) return {false, bucket};
  const TokenBucket* first = known.empty() ? nullptr : known[0].first;
  if (!from.fallback || (first && !always_take_fallback)) return {true, first};
  if (!from.fallback->take(1, now)) return {false, &*from.fallback};
  if (first && first->left(now) <= from.fallback->left(now)) return {true, first};
  return {true, &*from.fallback};
}

const LocalRateLimit& LocalRateLimitFilter::limit_of(const Stream& stream) const {
  const auto* own = stream.policy<LocalRateLimit>(*this);
  return own ? *own : *limit_;
}

Verdict LocalRateLimitFilter::on_request(Stream& stream) const {
  const LocalRateLimit& limit = limit_of(stream);
  auto under = [&](uint32_t per_million) {
    return per_million >= 1'000'000 || (per_million && stream.worker().dice().roll() % 1'000'000 < per_million);
  };
  if (!under(limit.enabled_per_million)) return Continue{};
  stream.worker().count(limit.enabled);
  std::vector<RateLimitDescriptor> descriptors;
  if (!limit.limits.empty()) {
    if (!limit.rules.empty())
      describe(limit.rules, limit.stage, stream, descriptors);
    else
      descriptors = describe_by_route(limit.stage, limit.hosts, stream);
  }
  LocalRateLimit::Buckets& buckets =
      limit.per_connection ? stream.origin().keep<OwnBuckets>(&limit, limit).buckets : *limit.buckets;
  auto outcome = limit.take(buckets, descriptors, stream.worker().loop().now());
  if (limit.tell) stream.state<Deciding>(*this).bucket = outcome.bucket;
  if (outcome.allowed) {
    stream.worker().count(limit.ok);
    return Continue{};
  }
  stream.worker().count(limit.limited);
  if (!under(limit.enforced_per_million)) {
    stream.change(stream.request.headers, limit.request_when_not_enforced);
    return Continue{};
  }
  stream.worker().count(limit.enforced);
  Reply reply{.status = limit.status, .body = "local_rate_limited", .details = "local_rate_limited"};
  stream.change(reply.headers, limit.response);
  reply.flags = static_cast<uint32_t>(telemetry::Flag::RateLimited);
  if (limit.resource_exhausted) reply.grpc_status = 8;
  return reply;
}

void LocalRateLimitFilter::on_response(Stream& stream, http::ResponseHead& head) const {
  const Deciding* deciding = stream.find_state<Deciding>(*this);
  if (!deciding || !deciding->bucket) return;
  auto now = stream.worker().loop().now();
  const TokenBucket& bucket = *deciding->bucket;
  head.headers.set("x-ratelimit-limit", std::to_string(bucket.rate().most));
  head.headers.set("x-ratelimit-remaining", std::to_string(bucket.left(now)));
  head.headers.set("x-ratelimit-reset", std::to_string(bucket.wait(now)));
}

std::optional<std::string> LocalConnectionRate::refuses(Worker& worker, const Origin&) const {
  if (bucket_->take(1, worker.loop().now())) return std::nullopt;
  worker.count(limited_);
  return "local_ratelimit_limited";
}

}  // namespace proxy
