// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/dns.h"

#include <algorithm>

#include "base/log.h"
#include "proxy/runtime/configuration.h"

namespace proxy {

void DnsClusters::set(const std::string& name, std::shared_ptr<const Cluster> cluster) {
  auto& watch = watches_[name];
  if (watch) watch->gone = true;
  if (!cluster) {
    watches_.erase(name);
    return;
  }
  watch = std::make_shared<Watch>(Watch{.cluster = std::move(cluster)});
  net::spawn(keep(*this, watch));
}

net::Task<void> DnsClusters::keep(DnsClusters& self, std::shared_ptr<Watch> watch) {
  while (!watch->gone) {
    bool changed = false;
    for (const Cluster::DnsName& name : watch->cluster->dns_names) {
      auto found = co_await net::resolve(self.loop_, name.host, name.port);
      if (watch->gone) co_return;
      if (!found) {
        base::log::debug("cluster {}: {}", watch->cluster->name, found.error().message);
        continue;
      }
      std::vector<net::Address> addresses;
      for (const net::Address& address : *found) {
        if (watch->cluster->dns_family == Cluster::Family::V4 && address.family() != AF_INET) continue;
        if (watch->cluster->dns_family == Cluster::Family::V6 && address.family() != AF_INET6) continue;
        addresses.push_back(address);
      }
      std::sort(addresses.begin(), addresses.end(), [](const auto& a, const auto& b) { return a.text() < b.text(); });
      if (watch->cluster->type == Cluster::Type::LogicalDns && addresses.size() > 1) addresses.resize(1);
      auto& known = watch->addresses[name.host + ":" + std::to_string(name.port)];
      if (known == addresses) continue;
      known = std::move(addresses);
      changed = true;
    }
    if (changed) self.publish(*watch);
    auto pause = std::max(watch->cluster->dns_refresh, std::chrono::milliseconds(1000));
    co_await net::sleep(self.loop_, pause);
  }
}

void DnsClusters::publish(const Watch& watch) {
  auto set = std::make_shared<EndpointSet>();
  set->localities.push_back({});
  for (const Cluster::DnsName& name : watch.cluster->dns_names) {
    auto it = watch.addresses.find(name.host + ":" + std::to_string(name.port));
    if (it == watch.addresses.end()) continue;
    for (const net::Address& address : it->second) {
      Endpoint endpoint = name.endpoint;
      endpoint.address = address;
      endpoint.text = address.text();
      endpoint.locality = 0;
      set->endpoints.push_back(std::move(endpoint));
    }
  }
  configuration_.resolved(watch.cluster->name, std::move(set));
}

}  // namespace proxy
