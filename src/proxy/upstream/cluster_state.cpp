// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/cluster_state.h"

#include <algorithm>
#include <bit>

#include "proxy/runtime/worker.h"

namespace proxy {

ClusterState::ClusterState(Worker& worker, Slot slot) : worker_(worker), slot_(slot) {}
ClusterState::~ClusterState() = default;

static bool same(const Transport& a, const Transport& b) {
  return a.tls == b.tls && a.tls_exclusive == b.tls_exclusive && a.sni == b.sni && a.sni_from_host == b.sni_from_host &&
         a.sans.size() == b.sans.size() &&
         std::equal(a.sans.begin(), a.sans.end(), b.sans.begin(), [](const SanMatch& x, const SanMatch& y) {
           return x.type == y.type && x.match.kind == y.match.kind && x.match.value == y.match.value;
         });
}

void ClusterState::configure(std::shared_ptr<const Cluster> config) {
  if (config == config_) return;
  auto before = std::exchange(config_, std::move(config));  // hosts compare with its transports
  stale_ = true;
  if (!config_) {
    for (auto& [address, host] : hosts_) {
      host->current = false;
      host->close_idle();
      leaving_.push_back(std::move(host));
    }
    hosts_.clear();
    priorities_.clear();
    return;
  }
  if (config_->endpoints) endpoints_ = config_->endpoints;
  if (!before) return;
  bool other_source = !(before->source == config_->source);
  for (auto& [address, host] : hosts_) {
    Endpoint endpoint{.address = host->address};
    if (endpoints_)
      for (const Endpoint& known : endpoints_->endpoints)
        if (known.address == address) endpoint.labels = known.labels;
    const Transport& now = config_->transport_for(endpoint);
    if (other_source || !host->transport || !same(*host->transport, now)) host->retire_connections();
    host->transport = &now;
  }
  for (auto& host : leaving_) host->transport = &config_->transport;
}

void ClusterState::set_endpoints(std::shared_ptr<const EndpointSet> endpoints) {
  if (endpoints == endpoints_) return;
  endpoints_ = std::move(endpoints);
  stale_ = true;
}

// Makes hosts_ what the endpoints say. Done when somebody asks for a host, so
// that clusters nobody uses cost nothing.
void ClusterState::refresh() {
  if (!stale_ || !config_) return;
  stale_ = false;
  if (config_->type == Cluster::Type::OriginalDst) return;
  for (auto& [address, host] : hosts_) host->current = false;
  if (endpoints_) {
    for (const Endpoint& endpoint : endpoints_->endpoints) {
      auto& host = hosts_[endpoint.address];
      if (!host) host = std::make_unique<Host>(*this, endpoint);
      const Transport& transport = config_->transport_for(endpoint);
      if (host->transport && host->transport != &transport && !same(*host->transport, transport)) host->retire_connections();
      host->transport = &transport;
      host->current = true;
      host->hostname = endpoint.hostname;
      if (host->workload != endpoint.workload) {
        host->workload = endpoint.workload;
        host->workload_number = worker_.metrics.number_of(Workload::parse(endpoint.workload));
      }
      host->weight = endpoint.weight;
      host->priority = endpoint.priority;
      host->health = endpoint.health;
      host->locality = endpoint.locality;
    }
  }
  for (auto it = hosts_.begin(); it != hosts_.end();) {
    if (it->second->current) {
      ++it;
      continue;
    }
    it->second->close_idle();
    leaving_.push_back(std::move(it->second));
    it = hosts_.erase(it);
  }
  index_priorities();
}

void ClusterState::index_priorities() {
  for (Priority& priority : priorities_) priority = {.next = priority.next};
  auto now = worker_.loop().now();
  next_uneject_ = {};
  auto add = [&](Host& host) {
    if (host.priority >= priorities_.size()) priorities_.resize(host.priority + 1u);
    Priority& priority = priorities_[host.priority];
    priority.all.push_back(&host);
    if (host.weight != priority.all.front()->weight) priority.equal_weights = false;
    bool ejected = host.ejected_until > now;
    if (ejected && (next_uneject_ == net::Clock::time_point{} || host.ejected_until < next_uneject_)) next_uneject_ = host.ejected_until;
    if (!ejected && (host.health == Health::Healthy || host.health == Health::Degraded)) priority.healthy.push_back(&host);
  };
  // In the endpoints' order, so that round robin is fair and repeatable.
  if (endpoints_)
    for (const Endpoint& endpoint : endpoints_->endpoints)
      if (auto it = hosts_.find(endpoint.address); it != hosts_.end()) add(*it->second);
}

Host* ClusterState::pick_original(const Wish& wish) {
  net::Address address = wish.original;
  if (!address.valid()) return nullptr;
  if (config_->original_port) address = address.with_port(config_->original_port);
  auto& host = hosts_[address];
  if (!host) {
    Endpoint endpoint{.address = address, .text = address.text()};
    host = std::make_unique<Host>(*this, endpoint);
    host->transport = &config_->transport_for(endpoint);
  }
  return host.get();
}

Host* ClusterState::pick(const Wish& wish) {
  if (!config_) return nullptr;
  if (config_->type == Cluster::Type::OriginalDst) return pick_original(wish);
  refresh();
  if (wish.preferred.valid()) {
    auto it = hosts_.find(wish.preferred);
    if (it != hosts_.end() && (it->second->health == Health::Healthy || it->second->health == Health::Degraded) &&
        it->second->ejected_until <= worker_.loop().now())
      return it->second.get();
    if (wish.only_preferred) return nullptr;
  }
  if (next_uneject_ != net::Clock::time_point{} && worker_.loop().now() >= next_uneject_) index_priorities();
  // Envoy: a priority takes the share of the load that its healthy part, times the
  // overprovisioning factor, can carry; the rest goes to the next one.
  uint32_t left = 100, dice = priorities_.size() > 1 ? worker_.dice().roll() % 100 : 0;
  Priority* chosen = nullptr;
  uint32_t factor = endpoints_ ? endpoints_->overprovisioning : 140;
  for (Priority& priority : priorities_) {
    if (priority.all.empty()) continue;
    uint32_t share = std::min<uint32_t>(100, static_cast<uint32_t>(priority.healthy.size() * factor / priority.all.size()));
    share = std::min(share, left);
    if (share && (!chosen || dice >= 100 - left)) chosen = &priority;
    left -= share;
    if (!left) break;
  }
  if (chosen) {
    double healthy_percent = 100.0 * static_cast<double>(chosen->healthy.size()) / static_cast<double>(chosen->all.size());
    if (healthy_percent >= config_->panic_percent) return pick_from(*chosen, false, wish);
    return pick_from(*chosen, true, wish);
  }
  if (config_->panic_percent <= 0) return nullptr;
  for (Priority& priority : priorities_)  // panic: all are bad, any may do
    if (!priority.all.empty()) return pick_from(priority, true, wish);
  return nullptr;
}

Host* ClusterState::pick_from(Priority& priority, bool panic, const Wish& wish) {
  const std::vector<Host*>& hosts = panic ? priority.all : priority.healthy;
  if (hosts.empty()) return nullptr;
  auto tried = [&](const Host* host) {
    return wish.tried && std::find(wish.tried->begin(), wish.tried->end(), host) != wish.tried->end();
  };
  Host* host = nullptr;
  for (uint32_t i = 0; i < wish.tries; ++i) {
    host = pick_one(priority, hosts, wish);
    if (!tried(host)) break;
  }
  return host;
}

Host* ClusterState::pick_one(Priority& priority, const std::vector<Host*>& hosts, const Wish& wish) {
  if (hosts.size() == 1) return hosts[0];
  Dice& dice = worker_.dice();
  auto any = [&] { return hosts[dice.roll() % hosts.size()]; };
  switch (config_->balance) {
    case Cluster::Balance::RingHash:
    case Cluster::Balance::Maglev:
      if (wish.hash) return pick_by_hash(priority, hosts, *wish.hash);
      return any();
    case Cluster::Balance::Random: return any();
    case Cluster::Balance::LeastRequest:
      if (priority.equal_weights) {
        Host* best = any();
        for (uint32_t i = 1; i < config_->choices; ++i)
          if (Host* other = any(); other->active < best->active) best = other;
        return best;
      }
      return pick_weighted(hosts, true);
    default:
      if (priority.equal_weights) return hosts[priority.next++ % hosts.size()];
      return pick_weighted(hosts, false);
  }
}

// Smooth weighted round robin: each gains its weight, the richest is taken and pays the sum.
Host* ClusterState::pick_weighted(const std::vector<Host*>& hosts, bool by_load) {
  int64_t total = 0;
  Host* best = nullptr;
  for (Host* host : hosts) {
    int64_t weight = by_load ? std::max<int64_t>(1, int64_t{host->weight} * 1000 / (host->active + 1)) : host->weight;
    host->current_weight += weight;
    total += weight;
    if (!best || host->current_weight > best->current_weight) best = host;
  }
  best->current_weight -= total;
  return best;
}

Host* ClusterState::pick_by_hash(Priority& priority, const std::vector<Host*>& hosts, uint64_t hash) {
  auto mixed = [](uint64_t x) {  // splitmix64's finisher
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
  };
  auto& ring = priority.ring;
  if (ring.empty()) {
    uint64_t least = hosts[0]->weight;
    for (const Host* host : hosts) least = std::min<uint64_t>(least, host->weight);
    // As many points for a host whether or not others come and go, until their number doubles.
    uint64_t size = std::clamp<uint64_t>(config_->ring_minimum, hosts.size(), 65'536);
    for (Host* host : hosts) {
      uint64_t points = std::clamp<uint64_t>(size / std::bit_ceil(hosts.size()) * host->weight / least, 1, 65'536 / hosts.size() + 1);
      uint64_t name = std::hash<std::string>{}(host->text);
      for (uint64_t i = 0; i < points; ++i) ring.emplace_back(mixed(name + i * 0x9e3779b97f4a7c15ULL), host);
    }
    std::sort(ring.begin(), ring.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  }
  auto at = std::lower_bound(ring.begin(), ring.end(), mixed(hash), [](const auto& point, uint64_t h) { return point.first < h; });
  return at == ring.end() ? ring.front().second : at->second;
}

void ClusterState::report(Host& host, int status, bool gateway_failure) {
  if (!config_ || !config_->outlier) return;
  const OutlierPolicy& policy = *config_->outlier;
  bool bad = status >= 500;
  gateway_failure |= status == 502 || status == 503 || status == 504;
  host.failures_in_row = bad ? host.failures_in_row + 1 : 0;
  host.gateway_failures_in_row = gateway_failure ? host.gateway_failures_in_row + 1 : 0;
  bool out = (policy.consecutive_5xx && host.failures_in_row >= policy.consecutive_5xx) ||
             (policy.consecutive_gateway_failure && host.gateway_failures_in_row >= policy.consecutive_gateway_failure);
  auto now = worker_.loop().now();
  if (!out || host.ejected_until > now) return;
  size_t ejected = 0;
  for (const auto& [address, other] : hosts_) ejected += other->ejected_until > now;
  // At least one may always go (Envoy), then as many as the percentage allows.
  if (ejected && (ejected + 1) * 100 > hosts_.size() * policy.max_ejection_percent) return;
  ++host.ejections;
  ++counts.ejections;
  host.failures_in_row = host.gateway_failures_in_row = 0;
  host.ejected_until = now + std::min(policy.base_ejection * host.ejections, policy.max_ejection);
  index_priorities();
}

void ClusterState::sweep(net::Clock::time_point now) {
  std::erase_if(leaving_, [](const auto& host) { return host->unused(); });
  if (!config_) return;
  if (config_->idle_timeout.count() > 0)
    for (auto& [address, host] : hosts_) host->sweep(now - config_->idle_timeout);
  if (config_->type == Cluster::Type::OriginalDst)
    std::erase_if(hosts_, [](const auto& entry) { return entry.second->unused(); });
}

}  // namespace proxy
