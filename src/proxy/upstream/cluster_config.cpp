// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/cluster_config.h"

#include <algorithm>

namespace proxy {

bool carries_name(const std::vector<SanMatch>& sans, const net::TlsPeer& peer) {
  if (sans.empty()) return true;
  for (const SanMatch& san : sans) {
    auto fits = [&](const std::string& name) { return san.match.matches(name); };
    if (san.type != SanMatch::Type::Dns && std::any_of(peer.uri_names.begin(), peer.uri_names.end(), fits)) return true;
    if (san.type != SanMatch::Type::Uri && std::any_of(peer.dns_names.begin(), peer.dns_names.end(), fits)) return true;
  }
  return false;
}

const Transport& Cluster::transport_for(const Endpoint& endpoint) const {
  for (const TransportChoice& choice : transport_choices) {
    bool fits = std::all_of(choice.labels.begin(), choice.labels.end(), [&](const auto& label) {
      return std::find(endpoint.labels.begin(), endpoint.labels.end(), label) != endpoint.labels.end();
    });
    if (fits) return choice.transport;
  }
  return transport;
}

}  // namespace proxy
