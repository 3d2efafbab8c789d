// SPDX-License-Identifier: Apache-2.0
#include "mesh/view.h"

#include <algorithm>
#include <array>

#include "config/specs.h"
#include "mesh/hostname.h"
#include "mesh/labels.h"
#include "mesh/visibility.h"

namespace mesh {
namespace {

Shared<Workload> workload_for(const Snapshot& snapshot, const Proxy& proxy) {
  if (auto found = snapshot.workloads->by_name.find(std::pair(proxy.ns, proxy.name));
      found != snapshot.workloads->by_name.end())
    return found->second;
  for (const std::string& address : proxy.addresses)
    if (auto found = snapshot.workloads->by_address.find(address);
        found != snapshot.workloads->by_address.end() && found->second->ns == proxy.ns)  // addresses are its own word
      return found->second;
  return nullptr;
}

bool registry_only_of(const MeshConfig& mesh, const config::Sidecar* sidecar) {
  using Policy = config::networking::OutboundTrafficPolicy;
  if (!sidecar || !sidecar->spec.has_outbound_traffic_policy()) return mesh.registry_only;
  return sidecar->spec.outbound_traffic_policy().mode() == Policy::REGISTRY_ONLY;
}

using NamedPorts = std::map<std::string, int, std::less<>>;

// Where a workload listens for a Service's port; 0: its containers name no such port.
int target_of(const Port& port, const NamedPorts& names) {
  if (port.target_name.empty()) return port.target;
  auto named = names.find(port.target_name);
  return named == names.end() ? 0 : named->second;
}

bool stands_behind(const Service& service, const std::string& ns, const objects::Labels& labels) {
  return service.ns == ns && !service.selector.empty() && has_all(labels, service.selector);
}

std::vector<InboundPort> inbound_ports_of(const Snapshot& snapshot, const std::string& ns,
                                          const objects::Labels& labels, const Workload* workload,
                                          const NamedPorts& names) {
  std::vector<InboundPort> out;
  for (const auto& service : snapshot.services) {
    if (service->ns != ns) continue;
    for (const Port& port : service->ports) {
      if (port.protocol == Protocol::Udp) continue;
      if (service->from_kubernetes) {
        int target = stands_behind(*service, ns, labels) ? target_of(port, names) : 0;
        if (target > 0) out.push_back({service, port, target});
        continue;
      }
      for (const Endpoint& endpoint : snapshot.endpoints_of(*service, port.number)) {
        bool mine = workload && endpoint.workload &&
                    std::ranges::find(workload->addresses, endpoint.address) != workload->addresses.end();
        if (mine && !service->external) out.push_back({service, port, endpoint.port});
      }
    }
  }
  return out;
}

// Where the proxy's admin, its agent and their probes listen in every pod.
constexpr std::array kReservedPorts = {15000, 15020, 15021, 15090};

// The ports of this gateway's pods that a server's port number means: what its
// Services translate it to, or the number itself.
std::vector<int> listen_ports(const Snapshot& snapshot, const Proxy& proxy, const objects::Labels& labels,
                              const NamedPorts& names, int number) {
  std::vector<int> out;
  for (const auto& service : snapshot.services) {
    if (!service->from_kubernetes || !stands_behind(*service, proxy.ns, labels)) continue;
    if (const Port* port = service->port(number))
      if (int target = target_of(*port, names); target > 0 && std::ranges::find(out, target) == out.end())
        out.push_back(target);
  }
  if (out.empty()) out.push_back(number);
  return out;
}

std::vector<GatewayServer> gateway_servers_of(const Snapshot& snapshot, const Proxy& proxy,
                                              const objects::Labels& labels, const NamedPorts& names) {
  std::vector<GatewayServer> out;
  for (const auto& gateway : snapshot.gateways) {
    if (!has_all(labels, gateway->spec.selector())) continue;
    for (int index = 0; index < gateway->spec.servers_size(); ++index) {
      const auto& port = gateway->spec.servers(index).port();
      int number = static_cast<int>(port.number());
      for (int listen : listen_ports(snapshot, proxy, labels, names, number))
        if (!is_reserved_port(listen) && (listen >= 1024 || !proxy.unprivileged))
          out.push_back({gateway, index, listen, number, protocol_named(port.protocol())});
    }
  }
  return out;
}

// The policies of the root namespace and of the workload's own that select it.
template <typename T>
std::vector<Shared<T>> selecting(const ByNamespace<T>& all, const std::string& root, const std::string& ns,
                                 const objects::Labels& labels) {
  std::vector<Shared<T>> out;
  auto take = [&](const std::string& scope) {
    auto found = all.find(scope);
    if (found == all.end()) return;
    for (const auto& policy : found->second)
      if (has_all(labels, policy->spec.selector().match_labels())) out.push_back(policy);
  };
  take(root);
  if (ns != root) take(ns);
  return out;
}

}  // namespace

bool is_reserved_port(int port) { return std::ranges::find(kReservedPorts, port) != kReservedPorts.end(); }

View::View(std::shared_ptr<const Snapshot> snapshot, Proxy proxy)
    : snapshot_(std::move(snapshot)), proxy_(std::move(proxy)), workload_(workload_for(*snapshot_, proxy_)) {
  const NamedPorts& names = workload_ ? workload_->named_ports : proxy_.named_ports;
  if (proxy_.type == ProxyType::Sidecar) {
    sidecar_ = sidecar_of(*snapshot_, proxy_.ns, labels());
    inbound_ports_ = inbound_ports_of(*snapshot_, proxy_.ns, labels(), workload_.get(), names);
  } else {
    gateway_servers_ = gateway_servers_of(*snapshot_, proxy_, labels(), names);
  }
  egress_ = snapshot_->egress(proxy_.ns, sidecar_);
  registry_only_ = registry_only_of(snapshot_->mesh, sidecar_.get());
}

std::string View::outlook() const {
  std::string out;
  auto add = [&](std::string_view piece) { out.append(piece).push_back('\n'); };
  add(std::to_string(static_cast<int>(proxy_.type)) + std::to_string(static_cast<int>(proxy_.dialect)) +
      (proxy_.capture ? "c" : "") + (proxy_.unprivileged ? "u" : ""));
  add(proxy_.ns);
  add(sidecar_ ? sidecar_->meta.ref.ns + "/" + sidecar_->meta.ref.name : "");
  const Locality& here = workload_ ? workload_->locality : proxy_.locality;
  add(here.region + "/" + here.zone + "/" + here.subzone);
  for (const auto& [key, value] : labels())
    if (proxy_.type != ProxyType::Sidecar || snapshot_->labels_that_matter().contains(key)) add(key + "=" + value);
  for (const std::string& address : proxy_.addresses)
    if (snapshot_->is_headless_endpoint(address)) add(address);
  for (const auto& telemetry : telemetries()) add(telemetry->meta.ref.ns + "/" + telemetry->meta.ref.name);
  if (proxy_.type != ProxyType::Sidecar)
    for (const auto& [name, number] : workload_ ? workload_->named_ports : proxy_.named_ports)
      add(name + ":" + std::to_string(number));
  return out;
}

const objects::Labels& View::labels() const { return workload_ ? workload_->labels : proxy_.labels; }

const Service* View::service(std::string_view hostname) const {
  auto found = egress_->by_hostname.find(hostname);
  return found == egress_->by_hostname.end() ? nullptr : found->second.get();
}

std::vector<Shared<config::VirtualService>> View::virtual_services_of(std::string_view gateway) const {
  std::vector<Shared<config::VirtualService>> out;
  for (const auto& candidate : snapshot_->virtual_services) {
    const auto& gateways = candidate->spec.gateways();
    if (std::ranges::find(gateways, gateway) == gateways.end()) continue;
    if (exported(candidate->spec.export_to(), mesh().default_virtual_service_export_to, candidate->meta.ref.ns,
                 proxy_.ns))
      out.push_back(candidate);
  }
  return out;
}

Shared<config::DestinationRule> View::destination_rule(const Service& service) const {
  auto visible = [&](const config::DestinationRule& rule) {
    return exported(rule.spec.export_to(), mesh().default_destination_rule_export_to, rule.meta.ref.ns, proxy_.ns);
  };
  if (auto own = snapshot_->selecting_rules.find(proxy_.ns); own != snapshot_->selecting_rules.end())
    for (const auto& rule : own->second)
      if (covers(rule->spec.host(), service.hostname) &&
          has_all(labels(), rule->spec.workload_selector().match_labels()))
        return rule;
  for (const std::string& ns : {proxy_.ns, service.ns, mesh().root_namespace}) {
    auto exact = snapshot_->rules_by_host.find(ns + "/" + service.hostname);
    if (exact != snapshot_->rules_by_host.end() && visible(*exact->second)) return exact->second;
    auto wild = snapshot_->wildcard_rules.find(ns);
    if (wild == snapshot_->wildcard_rules.end()) continue;
    Shared<config::DestinationRule> best;
    for (const auto& rule : wild->second)
      if (covers(rule->spec.host(), service.hostname) && visible(*rule) &&
          (!best || rule->spec.host().size() > best->spec.host().size()))
        best = rule;
    if (best) return best;
  }
  return nullptr;
}

std::vector<std::string> View::service_accounts(const Service& service) const {
  if (!service.subject_alt_names.empty()) return service.subject_alt_names;
  auto found = snapshot_->service_accounts.find(accounts_key(service.ns, service.hostname));
  return found == snapshot_->service_accounts.end() ? std::vector<std::string>{} : *found->second;
}

MtlsMode View::mtls_mode(int target_port) const {
  return mesh::mtls_mode(*snapshot_, proxy_.ns, labels(), target_port);
}

std::vector<int> View::ports_with_mtls_mode() const {
  return mesh::ports_with_mtls_mode(*snapshot_, proxy_.ns, labels());
}

MtlsMode View::mtls_mode_of(const Endpoint& endpoint, const Service& service) const {
  const std::string& ns = endpoint.workload ? endpoint.workload->ns : service.ns;
  return mesh::mtls_mode(*snapshot_, ns, endpoint.labels, endpoint.port);
}

bool View::mtls_possible(const Service& service) const {
  return mesh().auto_mtls && !service.external && mesh::mtls_mode(*snapshot_, service.ns) != MtlsMode::Disable;
}

std::vector<Shared<config::AuthorizationPolicy>> View::authorization_policies() const {
  return selecting(snapshot_->authorization_policies, mesh().root_namespace, proxy_.ns, labels());
}

std::vector<Shared<config::RequestAuthentication>> View::request_authentications() const {
  return selecting(snapshot_->request_authentications, mesh().root_namespace, proxy_.ns, labels());
}

std::vector<Shared<config::Telemetry>> View::telemetries() const {
  return selecting(snapshot_->telemetries, mesh().root_namespace, proxy_.ns, labels());
}

const std::string* View::jwks(const std::string& uri) const {
  auto found = snapshot_->jwks.find(uri);
  return found == snapshot_->jwks.end() ? nullptr : &found->second;
}

const objects::Object* View::secret(std::string_view ns, std::string_view name) const {
  if (ns != proxy_.ns) return nullptr;
  auto found = snapshot_->secrets.find(std::pair(std::string(ns), std::string(name)));
  return found == snapshot_->secrets.end() ? nullptr : found->second.get();
}

}  // namespace mesh
