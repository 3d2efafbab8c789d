// SPDX-License-Identifier: Apache-2.0
#include "cli/config_difference.h"

#include <algorithm>
#include <map>

namespace cli {
namespace {

struct Kind {
  std::string_view title;
  std::string_view dump;  // of "@type"
  std::string_view body;
  std::string_view lists[2];
};

constexpr Kind kKinds[] = {
    {"Clusters", "ClustersConfigDump", "cluster", {"dynamic_active_clusters", "dynamic_warming_clusters"}},
    {"Listeners", "ListenersConfigDump", "listener", {"dynamic_listeners", ""}},
    {"Routes", "RoutesConfigDump", "route_config", {"dynamic_route_configs", ""}}};

struct Held {
  std::map<std::string, base::Json> bodies;  // by name
  std::string updated;                       // RFC 3339, the newest
};

void add(Held& held, const Kind& kind, const base::Json& entry) {
  const base::Json* state = &entry;
  for (const char* name : {"active_state", "warming_state"})
    if (const base::Json* found = base::find(entry, name)) state = found;
  const base::Json* body = base::find(*state, kind.body);
  if (!body) return;
  std::string name(base::text(*body, "name"));
  if (name.empty()) name = base::text(entry, "name");
  held.bodies[name] = *body;
  held.updated = std::max(held.updated, std::string(base::text(*state, "last_updated")));
}

Held held_of(const base::Json& dump, const Kind& kind) {
  Held held;
  const base::Json* configs = base::find(dump, "configs");
  if (!configs || !configs->is_array()) return held;
  for (const base::Json& config : *configs) {
    if (!base::text(config, "@type").ends_with(kind.dump)) continue;
    for (std::string_view list : kind.lists)
      if (const base::Json* entries = base::find(config, list); entries && entries->is_array())
        for (const base::Json& entry : *entries) add(held, kind, entry);
  }
  return held;
}

}  // namespace

std::string config_difference(const base::Json& istiod, const base::Json& proxy) {
  std::string out;
  for (const Kind& kind : kKinds) {
    Held sent = held_of(istiod, kind), has = held_of(proxy, kind);
    std::string lines;
    for (const auto& [name, body] : sent.bodies) {
      auto it = has.bodies.find(name);
      if (it == has.bodies.end())
        lines += "  only at istiod: " + name + "\n";
      else if (it->second != body)
        lines += "  not the same: " + name + "\n";
    }
    for (const auto& [name, body] : has.bodies)
      if (!sent.bodies.contains(name)) lines += "  only at the proxy: " + name + "\n";
    std::string loaded;
    if (kind.title == "Routes" && !has.updated.empty()) loaded = " (RDS last loaded at " + has.updated + ")";
    out += std::string(kind.title) + (lines.empty() ? " Match" : " Don't Match") + loaded + "\n" + lines;
  }
  return out;
}

}  // namespace cli
