// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/host.h"

#include "proxy/upstream/cluster_state.h"

namespace proxy {

Host::Host(ClusterState& cluster_state, const Endpoint& endpoint)
    : cluster(cluster_state),
      worker(cluster_state.worker()),
      address(endpoint.address),
      text(endpoint.address.text()) {}

void Host::retire_connections() {
  each_pool([](ConnectionPool& pool) { pool.retire_connections(); });
}

void Host::close_connections() {
  each_pool([](ConnectionPool& pool) { pool.close_connections(); });
}

void Host::sweep(net::Clock::time_point now) {
  each_pool([&](ConnectionPool& pool) { pool.sweep(now); });
}

void Host::count_bytes() {
  each_pool([](ConnectionPool& pool) { pool.count_bytes(); });
}

}  // namespace proxy
