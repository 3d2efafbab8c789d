// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/tls.h"
#include "proxy/listener/listener_config.h"
#include "proxy/route/route.h"
#include "proxy/runtime/slots.h"
#include "proxy/upstream/cluster_config.h"

namespace proxy {

// Everything that the control plane said, compiled: names are indices, host
// names are hashed, regular expressions are built. Immutable, shared by all
// threads; what did not change is shared with the RuntimeConfig before it.
// A slot without a value is something that is named and not there: a route to
// such a cluster answers 503 NC.
struct RuntimeConfig {
  uint64_t version = 0;
  std::vector<std::shared_ptr<const Listener>> listeners;            // those that are ready to serve
  std::vector<std::shared_ptr<const RouteTable>> route_tables;       // by slot
  std::vector<std::shared_ptr<const Cluster>> clusters;              // by slot
  std::vector<std::shared_ptr<const net::TlsContext>> tls;           // by slot; none: its secrets are not there
  std::shared_ptr<const base::StringMap<Slot>> cluster_names;        // for slot_named
  std::shared_ptr<const std::vector<telemetry::StatName>> counters;  // by slot: what Worker::count counts
  std::unordered_map<net::Address, std::shared_ptr<const Listener>, AddressHash> unbound;  // for use_original_dst

  // The unbound listener of that very address, or of the wildcard with that port.
  std::shared_ptr<const Listener> hand_over(const net::Address& original) const;

  // Of a cluster whose name traffic brings along; kNone: nothing was configured of that name.
  Slot slot_named(std::string_view name) const {
    auto it = cluster_names->find(name);
    return it == cluster_names->end() ? kNone : it->second;
  }
  const Cluster* cluster(Slot slot) const { return slot < clusters.size() ? clusters[slot].get() : nullptr; }
  const RouteTable* route_table(Slot slot) const {
    return slot < route_tables.size() ? route_tables[slot].get() : nullptr;
  }
  std::shared_ptr<const net::TlsContext> tls_context(Slot slot) const {
    return slot < tls.size() ? tls[slot] : nullptr;
  }
};

}  // namespace proxy
