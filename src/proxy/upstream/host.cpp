// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/host.h"

#include <algorithm>
#include <utility>

#include "proxy/stream/stream.h"
#include "proxy/upstream/cluster_state.h"
#include "proxy/upstream/proxy_protocol.h"

namespace proxy {

Host::Host(ClusterState& cluster_state, const Endpoint& endpoint)
    : cluster(cluster_state),
      worker(cluster_state.worker()),
      address(endpoint.address),
      text(endpoint.address.text()),
      usual_(*this, {.http2 = cluster.config() && cluster.config()->http == Cluster::Http::Http2,
                     .server_name = {},
                     .preamble = {}}) {}

// The name that is asked for in the handshake where the request says it: without a port, and an address without
// brackets.
static std::string name_of(std::string_view authority) {
  if (size_t colon = authority.rfind(':'); colon != authority.npos && authority.find(']', colon) == authority.npos)
    authority = authority.substr(0, colon);
  if (authority.starts_with('[') && authority.ends_with(']')) authority = authority.substr(1, authority.size() - 2);
  return std::string(authority);
}

ConnectionPool& Host::pool_for(const Stream& stream, bool http2) {
  const bool exclusive = !http2 && stream.upgrading() && transport->tls_exclusive != kNone;
  if (http2 == usual_.key.http2 && !stream.high_priority() && !exclusive && !transport->keyed()) return usual_;
  ConnectionKey key{
      .high = stream.high_priority(), .http2 = http2, .exclusive = exclusive, .server_name = {}, .preamble = {}};
  if (transport->sni_from_host) {
    std::string_view name = stream.request.authority;
    if (!transport->sni_header.empty()) name = stream.request.headers.get(transport->sni_header).value_or(name);
    key.server_name = name_of(name);
  }
  if (transport->proxy_protocol != ProxyProtocol::None)
    key.preamble = proxy_header(transport->proxy_protocol, stream.origin().remote, stream.origin().local);
  if (key == usual_.key) return usual_;
  std::unique_ptr<ConnectionPool>& pool = others_[key];
  if (!pool) pool = std::make_unique<ConnectionPool>(*this, std::move(key));
  return *pool;
}

// What goes may let others dial, which leads here again: one at a time.
void Host::retire_idlest() {
  if (std::exchange(retiring_idle_, true)) return;
  ConnectionPool* idlest = &usual_;
  auto since = usual_.idle_since();
  for (auto& [key, pool] : others_)
    if (auto its = pool->idle_since(); its && (!since || *its < *since)) idlest = pool.get(), since = its;
  idlest->retire_idlest();
  retiring_idle_ = false;
}

void Host::retire_connections() {
  usual_.retire_connections();
  for (auto& [key, pool] : others_) pool->retire_connections();
}

void Host::close_connections() {
  usual_.close_connections();
  for (auto& [key, pool] : others_) pool->close_connections();
}

void Host::sweep(net::Clock::time_point now) {
  usual_.sweep(now);
  for (auto& [key, pool] : others_) pool->sweep(now);
  std::erase_if(others_, [](const auto& entry) { return entry.second->unused(); });
}

void Host::count_bytes() {
  usual_.count_bytes();
  for (auto& [key, pool] : others_) pool->count_bytes();
}

uint32_t Host::connections() const {
  uint32_t sum = usual_.connections;
  for (const auto& [key, pool] : others_) sum += pool->connections;
  return sum;
}

uint32_t Host::waiting() const {
  uint32_t sum = usual_.waiting();
  for (const auto& [key, pool] : others_) sum += pool->waiting();
  return sum;
}

bool Host::unused() const {
  return active == 0 && usual_.unused() &&
         std::ranges::all_of(others_, [](const auto& entry) { return entry.second->unused(); });
}

}  // namespace proxy
