// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <set>

#include "mesh/analyze/rules.h"

namespace mesh {
namespace {

using config::Severity;

std::string title(const objects::Ref& ref) { return ref.kind + " " + ref.ns + "/" + ref.name; }

// Names and addresses, and who has each.
struct Claims {
  Findings& out;
  std::map<std::pair<std::string, int>, const Service*> addresses;  // with the port
  std::map<std::string, const Service*> names;

  void take(const Service& service) {
    take_names(service);
    for (const std::string& address : service.addresses) {
      const Service* owner = nullptr;
      for (const Port& port : service.ports) {
        auto [place, fresh] = addresses.try_emplace({address, port.number}, &service);
        // Those of one namespace may share an address: TLS names tell them apart.
        if (!fresh && place->second->ns != service.ns) owner = place->second;
      }
      if (owner && !service.from_kubernetes)
        out.push_back({Severity::Warning, "SN0230", service.ref, "spec.addresses",
                       "address " + address + " is that of " + title(owner->ref) + ", which keeps it",
                       "clients that see both reach " + owner->hostname + " there"});
    }
  }

  void take_names(const Service& service) {
    if (!service.from_kubernetes) {
      auto owner = names.find(service.hostname);
      if (owner != names.end() && owner->second->ref != service.ref)
        out.push_back({Severity::Warning, "SN0231", service.ref, "spec.hosts",
                       "host " + service.hostname + " is that of " + title(owner->second->ref) + ", which keeps it",
                       "clients that see both reach that one by this name"});
    }
    names.emplace(service.hostname, &service);
    if (!service.from_kubernetes) return;
    names.emplace(service.name + "." + service.ns, &service);
    names.emplace(service.name + "." + service.ns + ".svc", &service);
  }
};

}  // namespace

void find_lost_claims(const Snapshot& snapshot, Findings& out) {
  Claims claims{out, {}, {}};
  for (const auto& service : snapshot.services) claims.take(*service);
}

}  // namespace mesh
