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
    all_ = {};
    subsets_.reset();
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
  host.details = endpoint.details;
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
        host->since = endpoint.since == net::Clock::time_point{} ? now : endpoint.since;
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
std::vector<PriorityLoad> ClusterState::loads_without(const Pool& pool, const std::vector<bool>& excluded) const {
  std::vector<PriorityHealth> health = pool.health;
  for (size_t i = 0; i < std::min(health.size(), excluded.size()); ++i)
    if (excluded[i]) health[i].healthy = health[i].degraded = 0;
  return loads_of(health, endpoints_ ? endpoints_->overprovisioning : 140, config_->panic_percent);
}

// As Envoy's previous_priorities: after every so many tries their priorities are left out, until none would remain.
std::vector<PriorityLoad> ClusterState::loads_after(const Pool& pool, const std::vector<Try>& tried,
                                                    uint32_t every) const {
  const auto& health = pool.health;
  std::vector<bool> excluded(health.size());
  for (size_t i = 0; i + every <= tried.size(); i += every) {
    for (size_t j = i; j < i + every; ++j)
      if (tried[j].priority < excluded.size()) excluded[tried[j].priority] = true;
    bool left = false;
    for (size_t p = 0; p < health.size(); ++p) left |= !excluded[p] && health[p].healthy + health[p].degraded > 0;
    if (!left) excluded.assign(excluded.size(), false);
  }
  return loads_without(pool, excluded);
}

void ClusterState::index_priorities() {
  seen_version_ = shared_->version();
  std::vector<Seen> seen;
  seen.reserve(order_.size());
  for (Host* host : order_) {
    const bool checked = !config_->checks.empty() && host->shared && !host->unchecked;
    if (checked && config_->ignore_unchecked &&
        host->shared->checked.load(std::memory_order_relaxed) == Checked::Never) {
      seen.push_back({.host = host, .counts = Seen::As::Nobody});
      continue;
    }
    if (checked && host->shared->excluded.load(std::memory_order_relaxed)) {
      host->well = false;
      seen.push_back({.host = host, .counts = Seen::As::Nobody});
      continue;
    }
    if (host->health == Health::Draining) {  // as Envoy: who is on its way out
      host->well = false;
      seen.push_back({.host = host, .state = Health::Draining, .counts = Seen::As::Excluded});
      continue;
    }
    const Health state = health_of(*host);
    const bool well = state == Health::Healthy || state == Health::Degraded;
    if (well && !host->well) host->since = worker_.loop().now();
    if (!well && host->well && config_->close_on_health_failure && host->shared &&
        host->shared->checked.load(std::memory_order_relaxed) == Checked::Fails)
      host->close_connections();
    host->well = well;
    seen.push_back({host, state});
  }
  fill(all_, seen, Localities::Weighted);
  if (config_->subsets)
    index_subsets(seen);
  else
    subsets_.reset();
}

void ClusterState::fill(Pool& pool, const std::vector<Seen>& hosts, Localities localities) {
  struct Sorted {
    std::vector<Host*> all, healthy, degraded, excluded;
  };
  std::vector<Sorted> sorted;
  pool.health.clear();
  const bool by_weight = endpoints_ && endpoints_->weighted_priority_health;
  for (const auto& [host, state, counts] : hosts) {
    if (host->priority >= sorted.size()) {
      sorted.resize(host->priority + 1u);
      pool.health.resize(host->priority + 1u);
    }
    if (counts == Seen::As::Nobody) continue;
    Sorted& into = sorted[host->priority];
    PriorityHealth& sum = pool.health[host->priority];
    const uint64_t counts_as = by_weight ? host->weight : 1;
    if (counts == Seen::As::Excluded) {
      into.excluded.push_back(host);
      sum.excluded += counts_as;
      continue;
    }
    into.all.push_back(host);
    sum.total += counts_as;
    if (state == Health::Healthy) {
      into.healthy.push_back(host);
      sum.healthy += counts_as;
    } else if (state == Health::Degraded) {
      into.degraded.push_back(host);
      sum.degraded += counts_as;
    }
  }
  pool.loads = loads_without(pool, {});
  pool.priorities.resize(sorted.size());
  Dice& dice = worker_.dice();
  auto parts = [&](const std::vector<Host*>& eligible, const std::vector<Host*>& all) {
    return localities == Localities::Weighted ? localities_of(eligible, all) : std::vector<HostSet::Locality>();
  };
  for (size_t i = 0; i < sorted.size(); ++i) {
    auto healthy_parts = parts(sorted[i].healthy, sorted[i].all);
    auto degraded_parts = parts(sorted[i].degraded, sorted[i].all);
    Priority& priority = pool.priorities[i];
    priority.healthy.assign(*config_, std::move(sorted[i].healthy), std::move(healthy_parts), dice);
    priority.degraded.assign(*config_, std::move(sorted[i].degraded), std::move(degraded_parts), dice);
    sorted[i].all.insert(sorted[i].all.end(), sorted[i].excluded.begin(), sorted[i].excluded.end());
    priority.all.assign(*config_, std::move(sorted[i].all), {}, dice);
  }
}

void ClusterState::index_subsets(const std::vector<Seen>& hosts) {
  if (!subsets_) subsets_ = std::make_unique<Subsets>();
  const SubsetPolicy& policy = *config_->subsets;
  static const std::vector<SubsetLabel> kNone;
  base::StringMap<std::vector<Seen>> members;
  std::vector<Seen> usual;
  for (const Seen& seen : hosts) {
    const auto& labels = seen.host->details ? seen.host->details->subset_labels : kNone;
    for (const SubsetPolicy::Selector& selector : policy.selectors)
      for (const std::string& name : policy.names_of(selector, labels)) {
        auto& of_subset = members[name];
        if (!selector.single_host || of_subset.empty()) of_subset.push_back(seen);
      }
    if (policy.in_default(labels)) usual.push_back(seen);
  }
  std::erase_if(subsets_->pools, [&](const auto& entry) { return !members.contains(entry.first); });
  for (const auto& [name, of_subset] : members) fill(subsets_->pools[name], of_subset, Localities::Ignored);
  fill(subsets_->usual, usual, Localities::Ignored);
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
  if (wish.preferred.valid())
    if (Host* host = pick_preferred(wish)) return host;
  if (wish.only_preferred) return nullptr;
  return subsets_ ? pick_of_subset(wish, wish.subset) : pick_from(all_, wish);
}

// As Envoy: a subset that has endpoints counts, whatever their health; one that nobody is in leads to the fallback of
// the selector with its keys, or else to the cluster's.
Host* ClusterState::pick_of_subset(const Wish& wish, const SubsetCriteria* criteria) {
  using Fallback = SubsetPolicy::Fallback;
  const SubsetPolicy& policy = *config_->subsets;
  if (criteria) {
    if (auto it = subsets_->pools.find(criteria->name()); it != subsets_->pools.end())
      return pick_from(it->second, wish);
    auto same = [&](const SubsetPolicy::Selector& selector) { return criteria->has_keys(selector.keys); };
    auto selector = std::ranges::find_if(policy.selectors, same);
    if (selector != policy.selectors.end()) {
      if (selector->fallback == Fallback::None) return nullptr;
      if (selector->fallback == Fallback::Any) return pick_from(all_, wish);
      if (selector->fallback == Fallback::Default) return pick_from(subsets_->usual, wish);
      if (selector->fallback == Fallback::Keys) {
        const SubsetCriteria fewer = criteria->only(selector->fallback_keys);
        return pick_of_subset(wish, &fewer);
      }
    }
  }
  if (policy.fallback == Fallback::None) return nullptr;
  Host* host = pick_from(policy.fallback == Fallback::Default ? subsets_->usual : all_, wish);
  return host || !policy.panic_any ? host : pick_from(all_, wish);
}

Host* ClusterState::pick_from(Pool& pool, const Wish& wish) {
  const bool hashes = config_->balance == Cluster::Balance::RingHash || config_->balance == Cluster::Balance::Maglev;
  HostSet::Situation situation{*config_, worker_.dice(), worker_.loop().now(), wish.hash, 0, counts.active_requests};
  if (hashes && !situation.hash) situation.hash = worker_.dice().next();
  auto omitted = [&](const Host* host) {
    return wish.omitted && host->details && std::ranges::any_of(*wish.omitted, [&](const auto& criteria) {
             return carries(host->details->subset_labels, *criteria, Lists::AsAny);
           });
  };
  auto avoided = [&](const Host* host) {
    return omitted(host) ||
           (wish.avoid_tried && wish.tried && std::ranges::find(*wish.tried, host, &Try::host) != wish.tried->end());
  };
  std::vector<PriorityLoad> others;
  const bool elsewhere = wish.other_priorities_after && wish.tried && wish.tried->size() >= wish.other_priorities_after;
  if (elsewhere) others = loads_after(pool, *wish.tried, wish.other_priorities_after);
  const std::vector<PriorityLoad>& loads = elsewhere ? others : pool.loads;
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
    Priority& priority = pool.priorities[at];
    if (loads[at].panic) {
      ++counts.panics;
      if (config_->fail_on_panic) return nullptr;
      host = priority.all.pick(situation);
    } else {
      host = (degraded ? priority.degraded : priority.healthy).pick(situation);
    }
  } while (host && ++situation.attempt < wish.tries && avoided(host));
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

void ClusterState::count_bytes() {
  for (auto& [address, host] : hosts_) host->count_bytes();
  for (auto& host : leaving_) host->count_bytes();
}

void ClusterState::sweep(net::Clock::time_point now) {
  std::erase_if(leaving_, [](const auto& host) { return host->unused(); });
  if (!config_) return;
  // An idle cluster's, too: its connections are to be closed, and who is well again begins slowly from then on.
  if (config_->close_on_health_failure || config_->slow_start.window.count()) refresh();
  for (auto& [address, host] : hosts_) host->sweep(now);
  if (config_->type == Cluster::Type::OriginalDst)
    std::erase_if(hosts_, [](const auto& entry) { return entry.second->unused(); });
}

}  // namespace proxy
