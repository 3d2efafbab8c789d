// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/host_set.h"

#include <algorithm>
#include <cmath>

#include "proxy/runtime/worker.h"
#include "proxy/upstream/host.h"

namespace proxy {

double scheduled_weight(const Host& host, const Cluster& config, net::Clock::time_point now) {
  double weight = host.weight;
  if (config.balance == Cluster::Balance::LeastRequest && config.request_bias > 0)
    weight /= config.request_bias == 1 ? host.active + 1.0 : std::pow(host.active + 1.0, config.request_bias);
  const SlowStart& slow = config.slow_start;
  if (slow.window.count() == 0 || now - host.since >= slow.window) return weight;
  using Milliseconds = std::chrono::duration<double, std::milli>;
  double part = std::max(1.0, Milliseconds(now - host.since).count()) / static_cast<double>(slow.window.count());
  if (slow.aggression != 1) part = std::pow(part, 1 / slow.aggression);
  return weight * std::max(part, slow.minimum);
}

void HostSet::assign(const Cluster& config, std::vector<Host*> hosts, std::vector<Locality> localities, Dice& dice) {
  if (hosts_.empty()) next_ = dice.roll();  // so that workers, and proxies, do not all begin with the same host
  hosts_ = std::move(hosts);
  equal_weights_ = true;
  slow_until_ = {};
  turns_.clear();
  part_turns_.clear();
  parts_.clear();
  part_weights_.clear();
  table_ = {};
  shares_.clear();
  for (const Host* host : hosts_) {
    equal_weights_ &= host->weight == hosts_.front()->weight;
    if (config.slow_start.window.count()) slow_until_ = std::max(slow_until_, host->since + config.slow_start.window);
  }
  for (Locality& locality : localities) {
    if (locality.weight <= 0 || locality.hosts.empty()) continue;
    parts_.push_back(std::make_unique<HostSet>());
    parts_.back()->assign(config, std::move(locality.hosts), {}, dice);
    part_weights_.push_back(locality.weight);
  }
  // Begin somewhere, not always with the heaviest.
  for (uint32_t i = 0; i < parts_.size(); ++i) part_turns_.add(i, part_weights_[i]);
  if (!parts_.empty())
    for (uint32_t i = dice.roll() % 16; i > 0; --i)
      part_turns_.pick([&](uint32_t part) { return part_weights_[part]; });
}

Host* HostSet::pick(const Situation& situation) {
  if (hosts_.empty()) return nullptr;
  if (hosts_.size() == 1) return hosts_[0];
  const auto balance = situation.config.balance;
  if (balance == Cluster::Balance::RingHash || balance == Cluster::Balance::Maglev) return pick_hashed(situation);
  if (parts_.empty()) return pick_plain(situation);
  if (parts_.size() == 1) return parts_[0]->pick(situation);
  return parts_[part_turns_.pick([&](uint32_t part) { return part_weights_[part]; })]->pick(situation);
}

Host* HostSet::pick_plain(const Situation& situation) {
  auto any = [&] { return hosts_[situation.dice.roll() % hosts_.size()]; };
  const Cluster& config = situation.config;
  const bool scheduled = !equal_weights_ || slow_until_ > situation.now;
  switch (config.balance) {
    case Cluster::Balance::Random:
      return any();
    case Cluster::Balance::LeastRequest: {
      if (scheduled) return pick_scheduled(situation);
      Host* best = any();
      for (uint32_t i = 1; i < config.choices; ++i)
        if (Host* other = any(); other->active < best->active) best = other;
      return best;
    }
    default:
      return scheduled ? pick_scheduled(situation) : hosts_[next_++ % hosts_.size()];
  }
}

Host* HostSet::pick_scheduled(const Situation& situation) {
  auto weight_of = [&](uint32_t at) { return scheduled_weight(*hosts_[at], situation.config, situation.now); };
  if (turns_.empty()) {
    for (uint32_t i = 0; i < hosts_.size(); ++i) turns_.add(i, weight_of(i));
    for (uint64_t i = next_ % hosts_.size(); i > 0; --i) turns_.pick(weight_of);
  }
  return hosts_[turns_.pick(weight_of)];
}

void HostSet::build_table(const Cluster& config) {
  // Shares in order of hosts_; with weighted localities, those come one after the other and each has its part.
  std::vector<Host*> order;
  if (parts_.empty()) {
    double sum = 0;
    for (const Host* host : hosts_) sum += host->weight;
    for (const Host* host : hosts_) shares_.push_back(host->weight / sum);
  } else {
    double all = 0;
    for (double weight : part_weights_) all += weight;
    for (size_t i = 0; i < parts_.size(); ++i) {
      double sum = 0;
      for (const Host* host : parts_[i]->hosts_) sum += host->weight;
      for (Host* host : parts_[i]->hosts_) {
        order.push_back(host);
        shares_.push_back(part_weights_[i] / all * host->weight / sum);
      }
    }
    hosts_ = std::move(order);
  }
  std::vector<WeightedName> names;
  for (size_t i = 0; i < hosts_.size(); ++i) {
    const Host& host = *hosts_[i];
    names.push_back({!host.hash_key.empty() ? host.hash_key
                     : config.hash_hostname ? host.hostname
                                            : host.text,
                     shares_[i]});
  }
  table_ = config.balance == Cluster::Balance::Maglev
               ? HashTable::maglev(names, config.maglev_size)
               : HashTable::ring(names, {config.ring_minimum, config.ring_maximum},
                                 config.murmur ? HashTable::Function::Murmur : HashTable::Function::XxHash);
}

Host* HostSet::pick_hashed(const Situation& situation) {
  if (table_.empty()) build_table(situation.config);
  const uint64_t hash = situation.hash ? *situation.hash : situation.dice.next();
  const uint32_t found = table_.find(hash, situation.attempt);
  const uint32_t factor = situation.config.hash_balance_factor;
  if (!factor) return hosts_[found];
  // As Envoy: one that has its whole part may take one more, and none beyond that.
  const double slots = static_cast<double>(((uint64_t{situation.active} + 1) * factor + 99) / 100);
  auto overload = [&](uint32_t at) { return hosts_[at]->active / std::max(1.0, std::ceil(slots * shares_[at])); };
  return hosts_[find_with_room(hash, found, static_cast<uint32_t>(hosts_.size()), overload)];
}

}  // namespace proxy
