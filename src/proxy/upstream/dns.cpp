// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/dns.h"

#include <algorithm>
#include <random>

#include "base/log.h"
#include "proxy/runtime/configuration.h"

namespace proxy {

using Milliseconds = std::chrono::milliseconds;
using Family = Cluster::Family;

DnsClusters::~DnsClusters() {
  for (auto& [name, watch] : watches_) watch->gone = true;
}

void DnsClusters::set(const std::string& name, std::shared_ptr<const Cluster> cluster) {
  auto& watch = watches_[name];
  std::vector<std::vector<net::Address>> known;
  if (watch) {
    watch->gone = true;
    auto same = [](const Cluster::DnsName& a, const Cluster::DnsName& b) {
      return a.host == b.host && a.port == b.port;
    };
    const auto& before = watch->cluster->dns_names;
    if (cluster && std::equal(before.begin(), before.end(), cluster->dns_names.begin(), cluster->dns_names.end(), same))
      known = watch->addresses;
  }
  if (!cluster) {
    watches_.erase(name);
    return;
  }
  const Updates updates = watch ? watch->updates : Updates();
  watch =
      std::make_shared<Watch>(Watch{.cluster = std::move(cluster), .updates = updates, .addresses = std::move(known)});
  const bool any = !watch->addresses.empty();
  watch->addresses.resize(watch->cluster->dns_names.size());
  if (any) publish(*watch);  // weights and such may be other ones
  for (size_t i = 0; i < watch->cluster->dns_names.size(); ++i) net::spawn(keep(*this, watch, i));
}

std::vector<net::Address> wanted_addresses(const Cluster& cluster, std::vector<net::Address> answer,
                                           const std::vector<net::Address>& known) {
  const bool any_v4 = std::any_of(answer.begin(), answer.end(), [](const auto& a) { return a.family() == AF_INET; });
  const bool any_v6 = std::any_of(answer.begin(), answer.end(), [](const auto& a) { return a.family() == AF_INET6; });
  std::erase_if(answer, [&](const net::Address& address) {
    const bool v6 = address.family() == AF_INET6;
    switch (cluster.dns_family) {
      case Family::V4:
        return v6;
      case Family::V6:
        return !v6;
      case Family::Auto:
        return any_v6 && !v6;
      case Family::V4Preferred:
        return any_v4 && v6;
      case Family::All:
        return false;
    }
    return false;
  });
  if (cluster.type == Cluster::Type::LogicalDns) {
    auto in_use = known.empty() ? answer.end() : std::find(answer.begin(), answer.end(), known.front());
    if (in_use != answer.end()) std::rotate(answer.begin(), in_use, in_use + 1);
    return answer;
  }
  std::sort(answer.begin(), answer.end(), [](const auto& a, const auto& b) { return a.text() < b.text(); });
  answer.erase(std::unique(answer.begin(), answer.end()), answer.end());
  return answer;
}

const DnsClusters::Updates* DnsClusters::updates(const std::string& name) const {
  auto it = watches_.find(name);
  return it == watches_.end() ? nullptr : &it->second->updates;
}

static Milliseconds failure_pause(const Cluster& cluster, uint32_t failures) {
  const uint64_t most = static_cast<uint64_t>(std::max(cluster.dns_failure_max, cluster.dns_failure_base).count());
  return Milliseconds(
      std::min<uint64_t>(static_cast<uint64_t>(cluster.dns_failure_base.count()) << std::min(failures - 1, 20u), most));
}

net::Task<void> DnsClusters::keep(DnsClusters& self, std::shared_ptr<Watch> watch, size_t at) {
  std::minstd_rand dice{std::random_device{}()};
  uint32_t failures = 0;
  while (!watch->gone) {
    const Cluster& cluster = *watch->cluster;
    const Cluster::DnsName& name = cluster.dns_names[at];
    net::ResolveOptions options;
    options.family = cluster.dns_family == Family::V4 ? AF_INET : cluster.dns_family == Family::V6 ? AF_INET6 : 0;
    options.servers = cluster.dns_servers;
    options.servers_are_fallback = cluster.dns_servers_are_fallback;
    options.tcp = cluster.dns_tcp;
    ++watch->updates.attempts;
    auto found = co_await net::resolve_name(self.loop_, name.host, name.port, std::move(options));
    if (watch->gone) co_return;
    Milliseconds pause = cluster.dns_refresh;
    // As Envoy: that there is nobody of that name is an answer like others, but not to LOGICAL_DNS.
    const bool logical = cluster.type == Cluster::Type::LogicalDns;
    if (!logical && !found && found.error().kind == base::ErrorKind::NotFound) found = net::Resolved{};
    if (found) {
      failures = 0;
      ++watch->updates.answers;
      watch->updates.empty += found->addresses.empty();
      if (cluster.dns_ttl && found->ttl.count() > 0) pause = found->ttl;
      auto addresses = wanted_addresses(cluster, std::move(found->addresses), watch->addresses[at]);
      if (!(logical && addresses.empty()) && watch->addresses[at] != addresses) {
        watch->addresses[at] = std::move(addresses);
        self.publish(*watch);
      }
    } else {
      base::log::debug("cluster {}: {}", cluster.name, found.error().message);
      pause = failure_pause(cluster, ++failures);
      ++watch->updates.failures;
    }
    if (cluster.dns_jitter.count() > 0)
      pause += Milliseconds(dice() % static_cast<uint64_t>(cluster.dns_jitter.count()));
    co_await net::sleep(self.loop_, pause);
  }
}

void DnsClusters::publish(const Watch& watch) {
  const Cluster& cluster = *watch.cluster;
  auto set = cluster.dns_set ? std::make_shared<EndpointSet>(*cluster.dns_set) : std::make_shared<EndpointSet>();
  for (size_t i = 0; i < cluster.dns_names.size(); ++i) {
    const bool logical = cluster.type == Cluster::Type::LogicalDns;
    for (const net::Address& address : watch.addresses[i]) {
      Endpoint endpoint = cluster.dns_names[i].endpoint;
      endpoint.address = address;
      EndpointDetails details = endpoint.more();
      if (details.check_port && !details.check_address.valid())
        details.check_address = address.with_port(details.check_port);
      if (logical && cluster.dns_family == Family::All)
        details.additional.assign(watch.addresses[i].begin() + 1, watch.addresses[i].end());
      endpoint.set_details(std::move(details), set->endpoints.empty() ? nullptr : &set->endpoints.back());
      set->endpoints.push_back(std::move(endpoint));
      if (logical) break;  // one endpoint, wherever it is
    }
  }
  configuration_.resolved(cluster.name, std::move(set));
}

}  // namespace proxy
