// SPDX-License-Identifier: Apache-2.0
#include "mesh/egress.h"

#include <set>

#include "config/specs.h"
#include "mesh/hostname.h"
#include "mesh/labels.h"
#include "mesh/visibility.h"

namespace mesh {
namespace {

// One "namespace/host" of a Sidecar's egress.
struct Import {
  std::string ns;
  std::string host;
  int port = 0;  // 0: all
};

std::vector<Import> imports_of(const config::Sidecar& sidecar, const std::string& own_ns, std::string_view domain) {
  std::vector<Import> out;
  for (const auto& egress : sidecar.spec.egress())
    for (const std::string& entry : egress.hosts()) {
      size_t slash = entry.find('/');
      if (slash == std::string::npos) continue;
      Import import{entry.substr(0, slash), entry.substr(slash + 1), static_cast<int>(egress.port().number())};
      if (import.ns == ".") import.ns = own_ns;
      import.host = full_hostname(import.host, import.ns == "*" ? own_ns : import.ns, domain);
      out.push_back(std::move(import));
    }
  return out;
}

bool lets(const Import& import, std::string_view ns, std::string_view host) {
  return import.ns != "~" && (import.ns == "*" || import.ns == ns) && covers(import.host, host);
}

// The part of a service that the imports let through; nullptr: none of it.
Shared<Service> let_through(const Shared<Service>& service, const std::vector<Import>& imports) {
  std::set<int> ports;
  for (const Import& import : imports) {
    if (!lets(import, service->ns, service->hostname)) continue;
    if (import.port == 0) return service;
    ports.insert(import.port);
  }
  if (ports.empty()) return nullptr;
  auto part = std::make_shared<Service>(*service);
  std::erase_if(part->ports, [&](const Port& port) { return !ports.contains(port.number); });
  return part->ports.empty() ? nullptr : part;
}

bool binds_mesh(const config::VirtualService& virtual_service) {
  return std::ranges::find(virtual_service.spec.gateways(), "mesh") != virtual_service.spec.gateways().end();
}

std::set<std::string> destinations(const config::VirtualService& virtual_service) {
  std::set<std::string> out;
  for (const auto& http : virtual_service.spec.http()) {
    for (const auto& route : http.route()) out.insert(route.destination().host());
    for (const auto& mirror : http.mirrors()) out.insert(mirror.destination().host());
    if (http.has_mirror()) out.insert(http.mirror().host());
  }
  for (const auto& tls : virtual_service.spec.tls())
    for (const auto& route : tls.route()) out.insert(route.destination().host());
  for (const auto& tcp : virtual_service.spec.tcp())
    for (const auto& route : tcp.route()) out.insert(route.destination().host());
  return out;
}

struct Builder {
  const Snapshot& snapshot;
  const std::string& ns;
  Egress out;

  bool sees(const Service& service) const {
    return exported(service.export_to, snapshot.mesh.default_service_export_to, service.ns, ns);
  }
  bool sees(const config::VirtualService& virtual_service) const {
    return exported(virtual_service.spec.export_to(), snapshot.mesh.default_virtual_service_export_to,
                    virtual_service.meta.ref.ns, ns);
  }

  // One service a hostname: the first in the snapshot's order.
  void add(const Shared<Service>& service) {
    if (out.by_hostname.emplace(service->hostname, service).second) out.services.push_back(service);
  }

  void add_everything() {
    for (const auto& service : snapshot.services)
      if (sees(*service)) add(service);
    for (const auto& virtual_service : snapshot.virtual_services)
      if (binds_mesh(*virtual_service) && sees(*virtual_service)) out.virtual_services.push_back(virtual_service);
  }

  void add_imported(const std::vector<Import>& imports) {
    std::set<std::string> implied;
    for (const auto& virtual_service : snapshot.virtual_services) {
      if (!binds_mesh(*virtual_service) || !sees(*virtual_service)) continue;
      auto wanted = [&](const std::string& host) {
        return std::ranges::any_of(imports, [&](const Import& import) {
          return lets(import, virtual_service->meta.ref.ns, host) ||
                 (is_wildcard(host) && (import.ns == "*" || import.ns == virtual_service->meta.ref.ns) &&
                  covers(host, import.host));
        });
      };
      if (std::ranges::none_of(virtual_service->spec.hosts(), wanted)) continue;
      out.virtual_services.push_back(virtual_service);
      implied.merge(destinations(*virtual_service));
    }
    for (const auto& service : snapshot.services) {
      if (!sees(*service)) continue;
      if (auto part = let_through(service, imports))
        add(part);
      else if (implied.contains(service->hostname))
        add(service);
    }
  }

  // Istio's order: those of the namespace alone, those exported to chosen
  // namespaces, the public ones; oldest first in each.
  void order_virtual_services() {
    auto rank = [&](const Shared<config::VirtualService>& virtual_service) {
      const auto& to = virtual_service->spec.export_to();
      if (to.empty() || std::ranges::find(to, "*") != to.end()) return 2;
      return to.size() == 1 && (to[0] == "." || to[0] == virtual_service->meta.ref.ns) ? 0 : 1;
    };
    std::ranges::stable_sort(out.virtual_services, {}, rank);
  }
};

}  // namespace

Egress egress_of(const Snapshot& snapshot, const std::string& ns, const config::Sidecar* sidecar) {
  Builder builder{snapshot, ns, {}};
  if (sidecar && !sidecar->spec.egress().empty())
    builder.add_imported(imports_of(*sidecar, ns, snapshot.mesh.cluster_domain));
  else
    builder.add_everything();
  builder.order_virtual_services();
  return std::move(builder.out);
}

Shared<config::Sidecar> sidecar_of(const Snapshot& snapshot, const std::string& ns, const objects::Labels& labels) {
  auto plain = [](const auto& list) -> Shared<config::Sidecar> {
    for (const auto& sidecar : list)
      if (!sidecar->spec.has_workload_selector()) return sidecar;
    return nullptr;
  };
  if (auto own = snapshot.sidecars.find(ns); own != snapshot.sidecars.end()) {
    for (const auto& sidecar : own->second)
      if (sidecar->spec.has_workload_selector() && has_all(labels, sidecar->spec.workload_selector().labels()))
        return sidecar;
    if (auto found = plain(own->second)) return found;
  }
  auto root = snapshot.sidecars.find(snapshot.mesh.root_namespace);
  return root == snapshot.sidecars.end() ? nullptr : plain(root->second);
}

}  // namespace mesh
