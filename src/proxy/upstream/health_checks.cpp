// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/health_checks.h"

#include "proxy/runtime/configuration.h"

namespace proxy {

using Milliseconds = std::chrono::milliseconds;

HealthChecks::~HealthChecks() {
  for (auto& [name, watch] : watches_) stop(*watch);
}

void HealthChecks::stop(Watch& watch) {
  watch.gone = true;
  watch.outliers.reset();
  for (auto& [address, target] : watch.targets) target->gone = true;
}

void HealthChecks::set(const std::string& name, std::shared_ptr<const Cluster> cluster) {
  auto it = watches_.find(name);
  std::shared_ptr<Watch> before = it == watches_.end() ? nullptr : it->second;
  if (before) {
    if (before->cluster->outlier && (!cluster || !cluster->outlier)) before->cluster->shared->uneject_all();
    stop(*before);
    watches_.erase(it);
  }
  if (!cluster || !cluster->ejects_or_checks()) return;
  auto watch = std::make_shared<Watch>();
  watch->name = name;
  watch->cluster = std::move(cluster);
  watches_[name] = watch;
  if (watch->cluster->outlier) {
    watch->outliers = std::make_unique<net::Timer>(loop_, [this, watch = watch.get()] {
      watch->cluster->shared->tick(*watch->cluster->outlier, loop_.now());
      watch->outliers->arm(watch->cluster->outlier->interval);
    });
    watch->outliers->arm(watch->cluster->outlier->interval);
  }
  if (watch->cluster->endpoints)
    endpoints(*watch->cluster, watch->cluster->endpoints);
  else if (before && before->told)
    endpoints(*watch->cluster, before->told);
}

std::shared_ptr<const EndpointSet> HealthChecks::endpoints(const Cluster& cluster,
                                                           std::shared_ptr<const EndpointSet> told) {
  auto it = watches_.find(cluster.name);
  if (it == watches_.end() || it->second->cluster->checks.empty()) return told;
  auto watch = it->second;
  watch->told = told;
  for (auto& [address, target] : watch->targets) target->removed = true;
  for (const Endpoint& endpoint : told->endpoints) {
    if (endpoint.unchecked) continue;
    auto& target = watch->targets[endpoint.address.text()];
    if (target) {
      target->removed = false;
      target->endpoint = endpoint;
      continue;
    }
    target = std::make_shared<Target>();
    target->endpoint = endpoint;
    target->host = watch->cluster->shared->host(endpoint.address, loop_.now());
    target->first = target->host->checked.load() == Checked::Never;
    net::spawn(keep(*this, watch, target));
  }
  for (auto at = watch->targets.begin(); at != watch->targets.end();) {
    Target& target = *at->second;
    const Checked checked = target.host->checked.load();
    const bool stays = !target.removed ||
                       (cluster.keep_until_check_fails && (checked == Checked::Passes || checked == Checked::Degraded));
    if (stays) {
      ++at;
      continue;
    }
    watch->cluster->shared->set_checked(*target.host, Checked::Never, false);
    target.gone = true;
    at = watch->targets.erase(at);
  }
  return counting(*watch);
}

// What was told, and those that are kept although they are gone.
std::shared_ptr<const EndpointSet> HealthChecks::counting(const Watch& watch) const {
  std::shared_ptr<EndpointSet> more;
  for (const auto& [address, target] : watch.targets) {
    if (!target->removed) continue;
    if (!more) more = std::make_shared<EndpointSet>(*watch.told);
    more->endpoints.push_back(target->endpoint);
    auto& locality = more->endpoints.back().locality;
    locality =
        std::min<uint32_t>(locality, more->localities.empty() ? 0 : static_cast<uint32_t>(more->localities.size() - 1));
  }
  return more ? more : watch.told;
}

CheckTarget HealthChecks::target_of(const Watch& watch, const Target& target) const {
  const HealthCheck& check = watch.cluster->checks.front();
  const Endpoint& endpoint = target.endpoint;
  const Transport& transport = check.transport_labels.empty() ? watch.cluster->transport_for(endpoint)
                                                              : watch.cluster->transport_for(check.transport_labels);
  CheckTarget out;
  const EndpointDetails& details = endpoint.more();
  out.address = details.check_address.valid() ? details.check_address : endpoint.address;
  out.authority = !details.check_hostname.empty() ? details.check_hostname
                  : !check.host.empty()           ? check.host
                                                  : watch.cluster->name;
  if (!transport.is_tls()) return out;
  out.server_name = transport.sni_from_endpoint && !details.hostname.empty() ? details.hostname : transport.sni;
  const bool usual = &transport == &watch.cluster->transport || !check.transport_labels.empty();
  out.tls = configuration_.published().tls_context(usual && check.tls != kNone  ? check.tls
                                                   : transport.tls_tcp != kNone ? transport.tls_tcp
                                                                                : transport.tls);
  out.unready = !out.tls;
  return out;
}

net::Task<void> HealthChecks::keep(HealthChecks& self, std::shared_ptr<Watch> watch, std::shared_ptr<Target> target) {
  const HealthCheck& check = watch->cluster->checks.front();
  Checker checker(self.loop_, check);
  const Milliseconds start(self.below(static_cast<uint64_t>(check.initial_jitter.count())));
  if (start.count()) co_await net::sleep(self.loop_, start);
  while (!watch->gone && !target->gone) {
    CheckTarget whom = self.target_of(*watch, *target);
    CheckResult result = co_await checker.run(std::move(whom));
    if (watch->gone || target->gone) co_return;
    Milliseconds pause = self.judge(*watch, *target, result);
    if (target->gone) co_return;
    co_await net::sleep(self.loop_, pause);
  }
}

// Counts the result and returns how long to wait for the next check.
Milliseconds HealthChecks::judge(Watch& watch, Target& target, CheckResult result) {
  const Cluster& cluster = *watch.cluster;
  const HealthCheck& check = cluster.checks.front();
  ClusterShared& shared = *cluster.shared;
  const Checked was = target.host->checked.load();
  bool healthy_before = was == Checked::Passes || was == Checked::Degraded;
  bool healthy = healthy_before;
  // Says what the check found; a worker may have heard otherwise meanwhile.
  auto say = [&](Checked checked, bool uneject) {
    const Checked before = shared.set_checked(*target.host, checked, uneject);
    healthy_before = before == Checked::Passes || before == Checked::Degraded;
  };
  shared.checks.attempts.fetch_add(1);
  if (result == CheckResult::Passed || result == CheckResult::Degraded) {
    shared.checks.successes.fetch_add(1);
    target.failures = 0;
    if (!healthy_before && (target.first || ++target.passes >= check.healthy_threshold)) healthy = true;
    if (healthy) {
      target.passes = 0;
      say(result == CheckResult::Passed ? Checked::Passes : Checked::Degraded,
          cluster.outlier && cluster.outlier->checks_uneject);
    }
  } else {
    shared.checks.failures.fetch_add(1);
    if (result == CheckResult::NetworkFailed) shared.checks.network_failures.fetch_add(1);
    target.passes = 0;
    if (!healthy_before || result == CheckResult::Failed || ++target.failures >= check.unhealthy_threshold) {
      healthy = false;
      target.failures = 0;
      say(Checked::Fails, false);
    }
  }
  target.first = false;
  const bool changed = healthy != healthy_before;
  if (!healthy && target.removed) {  // it was kept only for this
    target.gone = true;
    const std::string address = target.endpoint.address.text();
    watch.targets.erase(address);
    configuration_.replace_endpoints(cluster.name, counting(watch));
    return {};
  }
  Milliseconds pause = healthy ? check.interval : check.unhealthy;
  if (changed) pause = healthy ? check.healthy_edge : check.unhealthy_edge;
  if (!shared.used.load(std::memory_order_relaxed)) pause = healthy ? check.no_traffic_healthy : check.no_traffic;
  pause += Milliseconds(below(static_cast<uint64_t>(check.interval_jitter.count())));
  pause += Milliseconds(below(static_cast<uint64_t>(pause.count()) * check.jitter_percent / 100));
  return pause;
}

}  // namespace proxy
