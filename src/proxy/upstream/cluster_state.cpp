// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/cluster_state.h"

#include <algorithm>

#include "proxy/runtime/worker.h"

namespace proxy {

ClusterState::ClusterState(Worker& worker, Slot slot)
    : worker_(worker),
      worker_index_(worker.options.index),
      slot_(slot),
      shared_(std::make_shared<ClusterShared>(worker.options.index + 1)) {}
ClusterState::~ClusterState() = default;

void ClusterState::configure(std::shared_ptr<const Cluster> config) {
  if (config == config_) return;
  config_ = std::move(config);
  stale_ = true;
  if (!config_) {
    for (auto& [address, host] : hosts_) leave(std::move(host));
    hosts_.clear();
    order_.clear();
    priorities_.clear();
    loads_.clear();
    endpoints_.reset();
    return;
  }
  if (config_->shared) shared_ = config_->shared;
  limits_[0] = config_->breaker[0];
  limits_[1] = config_->breaker[1];
  if (config_->endpoints) endpoints_ = config_->endpoints;
  if (config_->type != Cluster::Type::OriginalDst) return;
  for (auto& [address, host] : hosts_) update(*host, {.address = host->address});
}

void ClusterState::set_endpoints(std::shared_ptr<const EndpointSet> endpoints) {
  if (endpoints == endpoints_) return;
  endpoints_ = std::move(endpoints);
  ++counts.endpoint_updates;
  stale_ = true;
}

void ClusterState::leave(std::unique_ptr<Host> host) {
  host->current = false;
  host->retire_connections();
  leaving_.push_back(std::move(host));
}

// Makes the host what the endpoint and the configuration say.
void ClusterState::update(Host& host, const Endpoint& endpoint) {
  const auto before = std::exchange(host.config, config_);
  const Transport& transport = config_->transport_for(endpoint);
  const bool changed = before && (!(*host.transport == transport) || !(before->source == config_->source) ||
                                  before->http != config_->http);
  host.transport = &transport;
  if (changed) host.retire_connections();
  host.current = true;
  const EndpointDetails& details = endpoint.more();
  host.additional = details.additional;
  host.hostname = details.hostname;
  host.hash_key = details.hash_key;
  if (host.workload != details.workload) {
    host.workload = details.workload;
    host.workload_number = worker_.metrics.number_of(Workload::parse(details.workload));
  }
  host.weight = endpoint.weight;
  host.priority = endpoint.priority;
  host.health = endpoint.health;
  host.unchecked = endpoint.unchecked;
  host.locality = endpoint.locality;
  if (!config_->ejects_or_checks())
    host.shared.reset();
  else if (!host.shared)
    host.shared = shared_->host(host.address, host.since);
}

// Makes hosts_ what the endpoints say. Done when somebody asks for a host, so
// that clusters nobody uses cost nothing.
void ClusterState::refresh() {
  if (!config_ || config_->type == Cluster::Type::OriginalDst) return;
  if (!stale_) {
    if (config_->ejects_or_checks() && shared_->version() != seen_version_) index_priorities();
    return;
  }
  stale_ = false;
  const auto now = worker_.loop().now();
  const size_t before = order_.size();
  bool changed = false;
  for (auto& [address, host] : hosts_) host->current = false;
  order_.clear();
  if (endpoints_) {
    for (const Endpoint& endpoint : endpoints_->endpoints) {
      auto& host = hosts_[endpoint.address];
      if (host && host->current) continue;  // named twice
      if (!host) {
        host = std::make_unique<Host>(*this, endpoint);
        host->since = now;
        changed = true;
      }
      update(*host, endpoint);
      order_.push_back(host.get());
    }
  }
  for (auto it = hosts_.begin(); it != hosts_.end();) {
    if (it->second->current) {
      ++it;
      continue;
    }
    leave(std::move(it->second));
    it = hosts_.erase(it);
    changed = true;
  }
  shared_->set_size(order_.size());
  if (changed && before && config_->close_on_host_change)
    for (Host* host : order_) host->retire_connections();
  index_priorities();
}

Health ClusterState::health_of(const Host& host) const {
  if (host.shared) {
    if (config_->outlier && host.shared->ejected.load(std::memory_order_relaxed)) return Health::Unhealthy;
    if (!config_->checks.empty() && !host.unchecked) {
      const Checked checked = host.shared->checked.load(std::memory_order_relaxed);
      if (checked == Checked::Never || checked == Checked::Fails) return Health::Unhealthy;
      if (checked == Checked::Degraded && host.health == Health::Healthy) return Health::Degraded;
    }
  }
  return host.health;
}

// As Envoy: a locality's weight counts in full as long as its healthy part times the overprovisioning factor
// carries its traffic, and in proportion from there on.
std::vector<HostSet::Locality> ClusterState::localities_of(const std::vector<Host*>& eligible,
                                                           const std::vector<Host*>& all) const {
  std::vector<HostSet::Locality> out;
  if (!config_->locality_weighted || !endpoints_) return out;
  std::vector<size_t> totals(endpoints_->localities.size());
  out.resize(totals.size());
  for (const Host* host : all) ++totals[host->locality];
  for (Host* host : eligible) out[host->locality].hosts.push_back(host);
  double sum = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    if (!totals[i]) continue;
    const double able = endpoints_->overprovisioning / 100.0 * static_cast<double>(out[i].hosts.size()) /
                        static_cast<double>(totals[i]);
    out[i].weight = endpoints_->localities[i].weight * std::min(1.0, able);
    sum += out[i].weight;
  }
  if (sum <= 0) out.clear();
  return out;
}

// The loads, were nobody of these priorities able to serve.
std::vector<PriorityLoad> ClusterState::loads_without(const std::vector<bool>& excluded) const {
  std::vector<PriorityHealth> health = health_;
  for (size_t i = 0; i < std::min(health.size(), excluded.size()); ++i)
    if (excluded[i]) health[i].healthy = health[i].degraded = 0;
  return loads_of(health, endpoints_ ? endpoints_->overprovisioning : 140, config_->panic_percent);
}

// As Envoy's previous_priorities: after every so many tries their priorities are left out, until none would remain.
std::vector<PriorityLoad> ClusterState::loads_after(const std::vector<const Host*>& tried, uint32_t every) const {
  std::vector<bool> excluded(health_.size());
  for (size_t i = 0; i + every <= tried.size(); i += every) {
    for (size_t j = i; j < i + every; ++j)
      if (tried[j]->priority < excluded.size()) excluded[tried[j]->priority] = true;
    bool left = false;
    for (size_t p = 0; p < health_.size(); ++p) left |= !excluded[p] && health_[p].healthy + health_[p].degraded > 0;
    if (!left) excluded.assign(excluded.size(), false);
  }
  return loads_without(excluded);
}

void ClusterState::index_priorities() {
  seen_version_ = shared_->version();
  struct Sorted {
    std::vector<Host*> all, healthy, degraded;
  };
  std::vector<Sorted> sorted;
  health_.clear();
  const bool by_weight = endpoints_ && endpoints_->weighted_priority_health;
  for (Host* host : order_) {
    if (host->priority >= sorted.size()) {
      sorted.resize(host->priority + 1u);
      health_.resize(host->priority + 1u);
    }
    if (config_->ignore_unchecked && !config_->checks.empty() && host->shared && !host->unchecked &&
        host->shared->checked.load(std::memory_order_relaxed) == Checked::Never)
      continue;
    Sorted& into = sorted[host->priority];
    PriorityHealth& sum = health_[host->priority];
    const uint64_t counts_as = by_weight ? host->weight : 1;
    into.all.push_back(host);
    sum.total += counts_as;
    const Health state = health_of(*host);
    const bool well = state == Health::Healthy || state == Health::Degraded;
    if (well && !host->well) host->since = worker_.loop().now();
    if (!well && host->well && config_->close_on_health_failure && host->shared &&
        host->shared->checked.load(std::memory_order_relaxed) == Checked::Fails)
      host->close_connections();
    host->well = well;
    if (state == Health::Healthy) {
      into.healthy.push_back(host);
      sum.healthy += counts_as;
    } else if (state == Health::Degraded) {
      into.degraded.push_back(host);
      sum.degraded += counts_as;
    }
  }
  loads_ = loads_without({});
  priorities_.resize(sorted.size());
  Dice& dice = worker_.dice();
  for (size_t i = 0; i < sorted.size(); ++i) {
    auto healthy_parts = localities_of(sorted[i].healthy, sorted[i].all);
    auto degraded_parts = localities_of(sorted[i].degraded, sorted[i].all);
    priorities_[i].healthy.assign(*config_, std::move(sorted[i].healthy), std::move(healthy_parts), dice);
    priorities_[i].degraded.assign(*config_, std::move(sorted[i].degraded), std::move(degraded_parts), dice);
    priorities_[i].all.assign(*config_, std::move(sorted[i].all), {}, dice);
  }
}

Host* ClusterState::pick_original(const Wish& wish) {
  net::Address address = wish.original;
  if (!address.valid()) return nullptr;
  if (config_->original_port) address = address.with_port(config_->original_port);
  auto& host = hosts_[address];
  if (!host) {
    Endpoint endpoint{.address = address};
    host = std::make_unique<Host>(*this, endpoint);
    update(*host, endpoint);
    shared_->set_size(hosts_.size());
  }
  return host.get();
}

Host* ClusterState::pick_preferred(const Wish& wish) {
  auto it = hosts_.find(wish.preferred);
  if (it == hosts_.end()) return nullptr;
  bool fit = true;
  switch (health_of(*it->second)) {
    case Health::Healthy:
      break;
    case Health::Degraded:
      fit = config_->override_degraded;
      break;
    case Health::Unhealthy:
      fit = config_->override_unhealthy;
      break;
    case Health::Draining:
      fit = config_->override_draining;
      break;
  }
  return fit ? it->second.get() : nullptr;
}

Host* ClusterState::pick(const Wish& wish) {
  if (!config_) return nullptr;
  if (config_->type == Cluster::Type::OriginalDst) return pick_original(wish);
  refresh();
  if (wish.preferred.valid()) {
    if (Host* host = pick_preferred(wish)) return host;
    if (wish.only_preferred) return nullptr;
  }
  const bool hashes = config_->balance == Cluster::Balance::RingHash || config_->balance == Cluster::Balance::Maglev;
  HostSet::Situation situation{*config_, worker_.dice(), worker_.loop().now(), wish.hash, 0, counts.active_requests};
  if (hashes && !situation.hash) situation.hash = worker_.dice().next();
  auto tried = [&](const Host* host) {
    return wish.tried && std::find(wish.tried->begin(), wish.tried->end(), host) != wish.tried->end();
  };
  std::vector<PriorityLoad> others;
  const bool elsewhere = wish.other_priorities_after && wish.tried && wish.tried->size() >= wish.other_priorities_after;
  if (elsewhere) others = loads_after(*wish.tried, wish.other_priorities_after);
  const std::vector<PriorityLoad>& loads = elsewhere ? others : loads_;
  Host* host = nullptr;
  do {
    size_t at = 0;
    bool degraded = false;
    if (loads.size() != 1 || loads[0].healthy != 100) {
      const PriorityChoice choice = choose_priority(loads, hashes ? *situation.hash : worker_.dice().roll());
      if (!choice.found) return nullptr;
      at = choice.priority;
      degraded = choice.degraded;
    }
    Priority& priority = priorities_[at];
    if (loads[at].panic) {
      ++counts.panics;
      if (config_->fail_on_panic) return nullptr;
      host = priority.all.pick(situation);
    } else {
      host = (degraded ? priority.degraded : priority.healthy).pick(situation);
    }
  } while (host && ++situation.attempt < wish.tries && tried(host));
  return host;
}

void ClusterState::report(Host& host, Outcome outcome, int status) {
  if (!config_ || !config_->outlier || !host.shared) return;
  shared_->report(*host.shared, *config_->outlier, outcome, status, worker_.loop().now());
}

ConnectionPermit ClusterState::connection_permit(bool high, bool first) {
  if (!shared_->used.load(std::memory_order_relaxed)) shared_->used.store(true, std::memory_order_relaxed);
  if (take(Limited::Connections, high)) return {*this, high};
  ++counts.connection_overflow;
  if (!first) return {};
  shared_->limits.take_anyway(worker_index_, Limited::Connections, high, limit(Limited::Connections, high));
  return {*this, high};
}

bool ClusterState::take_retry(bool high) {
  if (const auto& budget = limits_[high].retry_budget) {
    const Limits& limits = shared_->limits;
    const uint32_t under_way = limits.total(Limited::Requests, high) + limits.total(Limited::Pending, high);
    const auto most = std::max(static_cast<uint32_t>(budget->percent / 100 * under_way), budget->minimum);
    if (limits.total(Limited::Retries, high) >= most) return false;
    shared_->limits.take_anyway(worker_index_, Limited::Retries, high, kUnlimited);
    return true;
  }
  return take(Limited::Retries, high);
}

void ClusterState::sweep(net::Clock::time_point now) {
  std::erase_if(leaving_, [](const auto& host) { return host->unused(); });
  if (!config_) return;
  if (config_->close_on_health_failure) refresh();  // an idle cluster's connections too
  if (config_->idle_timeout.count() > 0 || config_->max_connection_duration.count() > 0)
    for (auto& [address, host] : hosts_) host->sweep(now);
  if (config_->type == Cluster::Type::OriginalDst)
    std::erase_if(hosts_, [](const auto& entry) { return entry.second->unused(); });
}

}  // namespace proxy
