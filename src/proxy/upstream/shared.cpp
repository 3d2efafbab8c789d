// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/shared.h"

#include <algorithm>
#include <cmath>

namespace proxy {

using Cause = ClusterShared::Cause;
static constexpr auto kRelaxed = std::memory_order_relaxed;

std::string_view ClusterShared::name(Cause cause) {
  static constexpr std::string_view kNames[] = {
      "consecutive_5xx",           "consecutive_gateway_failure", "consecutive_local_origin_failure", "success_rate",
      "local_origin_success_rate", "failure_percentage",          "local_origin_failure_percentage"};
  return kNames[static_cast<size_t>(cause)];
}

std::shared_ptr<HostShared> ClusterShared::host(const net::Address& address, net::Clock::time_point now) {
  std::lock_guard lock(mutex_);
  auto& host = hosts_[address];
  if (!host) {
    host = std::make_shared<HostShared>();
    host->since = now;
  }
  return host;
}

std::shared_ptr<HostShared> ClusterShared::find(const net::Address& address) {
  std::lock_guard lock(mutex_);
  auto it = hosts_.find(address);
  return it == hosts_.end() ? nullptr : it->second;
}

ClusterShared::Membership ClusterShared::membership(const EndpointSet& endpoints, bool checks) {
  Membership out;
  std::lock_guard lock(mutex_);
  for (const Endpoint& endpoint : endpoints.endpoints) {
    Health health = endpoint.health;
    auto it = hosts_.find(endpoint.address);
    if (it != hosts_.end()) {
      const Checked checked = it->second->checked.load(std::memory_order_relaxed);
      const bool fails = checks && !endpoint.unchecked && (checked == Checked::Never || checked == Checked::Fails);
      if (fails || it->second->ejected.load(std::memory_order_relaxed)) health = Health::Unhealthy;
      if (checked == Checked::Degraded && health == Health::Healthy) health = Health::Degraded;
    }
    ++out.total;
    out.healthy += health == Health::Healthy;
    out.degraded += health == Health::Degraded;
    out.excluded += endpoint.health == Health::Draining;
  }
  return out;
}

uint32_t ClusterShared::roll(uint32_t below) {
  dice_ ^= dice_ >> 12;
  dice_ ^= dice_ << 25;
  dice_ ^= dice_ >> 27;
  return static_cast<uint32_t>((dice_ * 0x2545F4914F6CDD1D) >> 32) % below;
}

static uint32_t enforcing(const OutlierPolicy& policy, Cause cause) {
  switch (cause) {
    case Cause::Consecutive5xx:
      return policy.enforce_5xx;
    case Cause::GatewayFailure:
      return policy.enforce_gateway_failure;
    case Cause::LocalFailure:
      return policy.enforce_local_failure;
    case Cause::SuccessRate:
      return policy.enforce_success_rate;
    case Cause::LocalSuccessRate:
      return policy.enforce_local_success_rate;
    case Cause::FailurePercentage:
      return policy.enforce_failure_percentage;
    case Cause::LocalFailurePercentage:
      return policy.enforce_local_failure_percentage;
  }
  return 0;
}

// Under the mutex. As Envoy: the share of ejected hosts, this one included, stays within max_ejection_percent,
// which is 10 unless said otherwise; so of two hosts none goes, unless one always may.
void ClusterShared::eject(HostShared& host, const OutlierPolicy& policy, Cause cause, net::Clock::time_point now) {
  if (host.ejected.load(kRelaxed)) return;
  const auto index = static_cast<size_t>(cause);
  counts.detected_by[index].fetch_add(1, kRelaxed);
  const uint64_t active = counts.active.load(kRelaxed);
  const size_t hosts = std::max(size_.load(kRelaxed), size_t{1});
  const bool fits = 100.0 * static_cast<double>(active + 1) / static_cast<double>(hosts) <= policy.max_ejection_percent;
  if (!fits && !(policy.always_eject_one && active == 0)) {
    counts.overflow.fetch_add(1, kRelaxed);
    return;
  }
  if (roll(100) >= enforcing(policy, cause)) return;
  counts.enforced_by[index].fetch_add(1, kRelaxed);
  counts.enforced.fetch_add(1, kRelaxed);
  counts.active.fetch_add(1, kRelaxed);
  host.ejected_at = now;
  host.jitter =
      std::chrono::milliseconds(policy.jitter.count() ? roll(static_cast<uint32_t>(policy.jitter.count()) + 1) : 0);
  if (policy.base_ejection * host.backoff < policy.max_ejection + policy.base_ejection) ++host.backoff;
  host.ejected.store(true, kRelaxed);
  version_.fetch_add(1, std::memory_order_release);
}

void ClusterShared::restore(HostShared& host) {
  host.ejected.store(false, kRelaxed);
  host.failures_5xx.store(0, kRelaxed);
  host.failures_gateway.store(0, kRelaxed);
  host.local.failures.store(0, kRelaxed);
  counts.active.fetch_sub(1, kRelaxed);
  version_.fetch_add(1, std::memory_order_release);
}

void ClusterShared::count_failure(std::atomic<uint32_t>& in_row, uint32_t limit, HostShared& host,
                                  const OutlierPolicy& policy, Cause cause, net::Clock::time_point now) {
  if (in_row.fetch_add(1, kRelaxed) + 1 != limit) return;
  std::lock_guard lock(mutex_);
  if (host.ejected.load(kRelaxed)) return;
  eject(host, policy, cause, now);
  in_row.store(0, kRelaxed);  // another bout is told of too
}

void ClusterShared::local_failure(HostShared& host, const OutlierPolicy& policy, net::Clock::time_point now) {
  host.local.total.fetch_add(1, kRelaxed);
  count_failure(host.local.failures, policy.consecutive_local_failure, host, policy, Cause::LocalFailure, now);
}

void ClusterShared::report(HostShared& host, const OutlierPolicy& policy, Outcome outcome, int status,
                           net::Clock::time_point now) {
  switch (outcome) {
    case Outcome::ConnectFailed:
      if (policy.split_local) return local_failure(host, policy, now);
      status = 503;
      break;
    case Outcome::Timeout:
      if (policy.split_local) return local_failure(host, policy, now);
      status = 504;
      break;
    case Outcome::Reset:
      if (policy.split_local) return local_failure(host, policy, now);
      status = 503;
      break;
    case Outcome::Connected:
    case Outcome::TcpConnected:
      if (!policy.split_local) {
        if (outcome == Outcome::Connected) return;
        status = 200;
        break;
      }
      host.local.total.fetch_add(1, kRelaxed);
      host.local.good.fetch_add(1, kRelaxed);
      host.local.failures.store(0, kRelaxed);
      return;
    case Outcome::Response:
      break;
  }
  host.external.total.fetch_add(1, kRelaxed);
  if (status < 500) {
    host.external.good.fetch_add(1, kRelaxed);
    if (host.failures_5xx.load(kRelaxed)) host.failures_5xx.store(0, kRelaxed);
    if (host.failures_gateway.load(kRelaxed)) host.failures_gateway.store(0, kRelaxed);
    return;
  }
  if (status == 502 || status == 503 || status == 504)
    count_failure(host.failures_gateway, policy.consecutive_gateway_failure, host, policy, Cause::GatewayFailure, now);
  else
    host.failures_gateway.store(0, kRelaxed);
  count_failure(host.failures_5xx, policy.consecutive_5xx, host, policy, Cause::Consecutive5xx, now);
}

void ClusterShared::judge_rates(const OutlierPolicy& policy, HostShared::Monitor HostShared::* monitor,
                                net::Clock::time_point now) {
  const bool local = monitor == &HostShared::local;
  std::vector<std::pair<HostShared*, double>> for_rate, for_percentage;
  Rates& judged = local ? local_ : external_;
  judged = {};
  double sum = 0;
  for (auto& [address, host] : hosts_) {
    HostShared::Monitor& its = (*host).*monitor;
    const uint32_t total = its.total.exchange(0, kRelaxed), good = its.good.exchange(0, kRelaxed);
    its.success_rate = -1;
    if (host->ejected.load(kRelaxed) || total == 0) continue;
    const double rate = 100.0 * good / total;
    if (total >= std::min(policy.success_rate_volume, policy.failure_percentage_volume)) its.success_rate = rate;
    if (total >= policy.success_rate_volume) {
      for_rate.emplace_back(host.get(), rate);
      sum += rate;
    }
    if (total >= policy.failure_percentage_volume) for_percentage.emplace_back(host.get(), rate);
  }
  if (!for_rate.empty() && for_rate.size() >= policy.success_rate_hosts) {
    const double count = static_cast<double>(for_rate.size()), mean = sum / count;
    double squares = 0;
    for (const auto& [host, rate] : for_rate) squares += (rate - mean) * (rate - mean);
    const double least = mean - policy.success_rate_stdev / 1000.0 * std::sqrt(squares / count);
    judged = {mean, least};
    for (const auto& [host, rate] : for_rate)
      if (rate < least) eject(*host, policy, local ? Cause::LocalSuccessRate : Cause::SuccessRate, now);
  }
  if (!for_percentage.empty() && for_percentage.size() >= policy.failure_percentage_hosts)
    for (const auto& [host, rate] : for_percentage)
      if (100.0 - rate >= policy.failure_percentage_threshold)
        eject(*host, policy, local ? Cause::LocalFailurePercentage : Cause::FailurePercentage, now);
}

void ClusterShared::tick(const OutlierPolicy& policy, net::Clock::time_point now) {
  std::lock_guard lock(mutex_);
  for (auto it = hosts_.begin(); it != hosts_.end();) {
    HostShared& host = *it->second;
    if (it->second.use_count() == 1) {  // no worker knows it any more
      if (host.ejected.load(kRelaxed)) restore(host);
      it = hosts_.erase(it);
      continue;
    }
    if (!host.ejected.load(kRelaxed)) {
      if (host.backoff) --host.backoff;
    } else if (host.ejected_at + std::min(policy.base_ejection * host.backoff, policy.max_ejection) + host.jitter <=
               now) {
      restore(host);
    }
    ++it;
  }
  judge_rates(policy, &HostShared::external, now);
  if (policy.split_local) judge_rates(policy, &HostShared::local, now);
}

std::pair<ClusterShared::Rates, ClusterShared::Rates> ClusterShared::rates() {
  std::lock_guard lock(mutex_);
  return {external_, local_};
}

Checked ClusterShared::set_checked(HostShared& host, Checked checked, bool uneject) {
  std::lock_guard lock(mutex_);
  if (uneject && host.ejected.load(kRelaxed)) restore(host);
  if (checked != Checked::Fails) host.excluded.store(false, kRelaxed);
  const Checked before = host.checked.exchange(checked, kRelaxed);
  if (before == Checked::Passes || before == Checked::Degraded) checks.healthy.fetch_sub(1, kRelaxed);
  if (checked == Checked::Passes || checked == Checked::Degraded) checks.healthy.fetch_add(1, kRelaxed);
  if (before != checked) version_.fetch_add(1, std::memory_order_release);
  return before;
}

void ClusterShared::fail_check(HostShared& host) {
  checks.failures.fetch_add(1, kRelaxed);
  checks.passive_failures.fetch_add(1, kRelaxed);
  host.excluded.store(true, kRelaxed);
  set_checked(host, Checked::Fails, false);
}

void ClusterShared::uneject_all() {
  std::lock_guard lock(mutex_);
  for (auto& [address, host] : hosts_) {
    host->backoff = 0;
    if (host->ejected.load(kRelaxed)) restore(*host);
  }
}

}  // namespace proxy
