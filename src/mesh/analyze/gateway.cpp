// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "mesh/analyze/rules.h"
#include "mesh/credential.h"
#include "mesh/hostname.h"
#include "mesh/labels.h"
#include "mesh/view.h"

namespace mesh {
namespace {

using config::Severity;

const config::Gateway* gateway_of(const Snapshot& snapshot, std::string_view name) {
  for (const auto& gateway : snapshot.gateways)
    if (gateway->meta.ref.ns + "/" + gateway->meta.ref.name == name) return gateway.get();
  return nullptr;
}

// Whether a server of the gateway takes this host of that namespace.
bool offers(const config::Gateway& gateway, std::string_view ns, std::string_view host) {
  for (const auto& server : gateway.spec.servers())
    for (const std::string& entry : server.hosts()) {
      size_t slash = entry.find('/');
      std::string_view from =
          slash == std::string::npos ? std::string_view("*") : std::string_view(entry).substr(0, slash);
      std::string_view offered =
          slash == std::string::npos ? std::string_view(entry) : std::string_view(entry).substr(slash + 1);
      if (from == ".") from = gateway.meta.ref.ns;
      if ((from == "*" || from == ns) && overlaps(offered, host)) return true;
    }
  return false;
}

std::vector<std::string> offered_hosts(const config::Gateway& gateway) {
  std::vector<std::string> out;
  for (const auto& server : gateway.spec.servers()) out.insert(out.end(), server.hosts().begin(), server.hosts().end());
  return out;
}

std::string text_of_selector(const config::Gateway& gateway) {
  std::vector<std::string> pairs;
  for (const auto& [key, value] : gateway.spec.selector()) pairs.push_back(key + "=" + value);
  std::ranges::sort(pairs);
  return base::join(pairs, ",");
}

// The Services that select a pod which the gateway selects.
std::vector<const Service*> services_before(const Snapshot& snapshot, const config::Gateway& gateway) {
  std::vector<const Service*> out;
  for (const auto& service : snapshot.services) {
    if (!service->from_kubernetes || service->selector.empty()) continue;
    auto stands = [&](const auto& entry) {
      const Workload& workload = *entry.second;
      return workload.ns == service->ns && has_all(workload.labels, gateway.spec.selector()) &&
             has_all(workload.labels, service->selector);
    };
    if (std::ranges::any_of(snapshot.workloads->by_name, stands)) out.push_back(service.get());
  }
  return out;
}

std::string ports_of(const Service& service) {
  std::vector<std::string> numbers;
  for (const Port& port : service.ports) numbers.push_back(std::to_string(port.number));
  return "the Service " + service.ns + "/" + service.name + " has: " + base::join(numbers, ", ");
}

}  // namespace

void find_unknown_gateways(const Snapshot& snapshot, Findings& out) {
  for (const auto& virtual_service : snapshot.virtual_services)
    for (int i = 0; i < virtual_service->spec.gateways_size(); ++i) {
      const std::string& name = virtual_service->spec.gateways(i);
      if (name == "mesh" || gateway_of(snapshot, name)) continue;
      out.push_back({Severity::Error, "SN0210", virtual_service->meta.ref, "spec.gateways[" + std::to_string(i) + "]",
                     "Referenced gateway not found: \"" + name + "\"",
                     "a Gateway in another namespace is written namespace/name"});
    }
}

void find_hosts_outside_gateways(const Snapshot& snapshot, Findings& out) {
  for (const auto& virtual_service : snapshot.virtual_services)
    for (const std::string& name : virtual_service->spec.gateways()) {
      const config::Gateway* gateway = gateway_of(snapshot, name);
      if (!gateway) continue;
      const objects::Ref& ref = virtual_service->meta.ref;
      for (int i = 0; i < virtual_service->spec.hosts_size(); ++i) {
        const std::string& host = virtual_service->spec.hosts(i);
        if (offers(*gateway, ref.ns, host)) continue;
        out.push_back({Severity::Warning, "SN0211", ref, "spec.hosts[" + std::to_string(i) + "]",
                       "one or more host [" + host + "] defined in VirtualService " + ref.ns + "/" + ref.name +
                           " not found in Gateway " + name,
                       "the Gateway takes: " + base::join(offered_hosts(*gateway), ", ")});
      }
    }
}

void find_idle_gateways(const Snapshot& snapshot, Findings& out) {
  for (const auto& gateway : snapshot.gateways) {
    const auto& selector = gateway->spec.selector();
    auto selected = [&](const auto& entry) { return has_all(entry.second->labels, selector); };
    if (std::ranges::any_of(snapshot.workloads->by_name, selected)) continue;
    out.push_back({Severity::Warning, "SN0212", gateway->meta.ref, "spec.selector",
                   "Referenced selector not found: \"" + text_of_selector(*gateway) + "\"",
                   "no pod carries these labels, so nothing listens for this Gateway"});
  }
}

void find_reserved_ports(const Snapshot& snapshot, Findings& out) {
  for (const auto& gateway : snapshot.gateways)
    for (int i = 0; i < gateway->spec.servers_size(); ++i) {
      const int number = static_cast<int>(gateway->spec.servers(i).port().number());
      if (!is_reserved_port(number)) continue;
      out.push_back({Severity::Warning, "SN0215", gateway->meta.ref,
                     "spec.servers[" + std::to_string(i) + "].port.number",
                     "port " + std::to_string(number) + " is the proxy's own in every pod, so this server is left out",
                     "15000, 15020, 15021 and 15090 are taken; choose another"});
    }
}

// A gateway reads Secrets of the namespace that its pods are in.
void find_bad_credentials(const Snapshot& snapshot, Findings& out) {
  for (const auto& gateway : snapshot.gateways) {
    std::set<std::string> namespaces;
    for (const auto& [place, workload] : snapshot.workloads->by_name)
      if (has_all(workload->labels, gateway->spec.selector())) namespaces.insert(workload->ns);
    for (int i = 0; i < gateway->spec.servers_size(); ++i) {
      const std::string& name = gateway->spec.servers(i).tls().credential_name();
      if (name.empty() || name.find('/') != std::string::npos) continue;
      for (const std::string& ns : namespaces) {
        auto secret = snapshot.secrets.find(std::pair(ns, name));
        const bool there = secret != snapshot.secrets.end();
        std::string problem = there ? credential_of(*secret->second).problem() : "";
        if (there && problem.empty()) continue;
        out.push_back(
            {Severity::Error, "SN0214", gateway->meta.ref, "spec.servers[" + std::to_string(i) + "].tls.credentialName",
             there ? "Secret " + ns + "/" + name + " is of no use: " + problem
                   : "Referenced credentialName not found: \"" + name + "\"",
             there ? "its hosts are not served until it is mended"
                   : "its hosts are not served until there is a Secret of type kubernetes.io/tls of that name "
                     "in namespace " +
                         ns + ", where the gateway's pods are"});
      }
    }
  }
}

// A Service that leads to the gateway's pods must have the port, or nobody outside reaches it.
void find_ports_outside_services(const Snapshot& snapshot, Findings& out) {
  for (const auto& gateway : snapshot.gateways) {
    std::vector<const Service*> services = services_before(snapshot, *gateway);
    if (services.empty()) continue;
    for (int i = 0; i < gateway->spec.servers_size(); ++i) {
      const int number = static_cast<int>(gateway->spec.servers(i).port().number());
      if (std::ranges::any_of(services, [&](const Service* service) { return service->port(number) != nullptr; }))
        continue;
      out.push_back({Severity::Warning, "SN0213", gateway->meta.ref,
                     "spec.servers[" + std::to_string(i) + "].port.number",
                     "The gateway is listening on a target port (port " + std::to_string(number) +
                         ") that is not defined in the Service associated with its workload instances (Pod selector " +
                         text_of_selector(*gateway) + ")",
                     ports_of(*services.front())});
    }
  }
}

}  // namespace mesh
