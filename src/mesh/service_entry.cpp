// SPDX-License-Identifier: Apache-2.0
#include "mesh/service_entry.h"

#include <algorithm>

#include "config/specs.h"
#include "mesh/hostname.h"
#include "mesh/kubernetes.h"
#include "mesh/labels.h"

namespace mesh {
namespace {

namespace api = config::networking;

Resolution resolution_of(const api::ServiceEntry& spec) {
  switch (spec.resolution()) {
    case api::ServiceEntry::STATIC:
      return Resolution::Endpoints;
    case api::ServiceEntry::DNS:
      return Resolution::Dns;
    case api::ServiceEntry::DNS_ROUND_ROBIN:
      return Resolution::DnsRoundRobin;
    default:
      return Resolution::Passthrough;
  }
}

objects::Labels labels_of(const auto& map) {
  objects::Labels out;
  for (const auto& [key, value] : map) out.emplace(key, value);
  return out;
}

// Where an endpoint listens for `port`: its own entry for the port's name,
// else the port's targetPort, else its number.
int target_of(const api::WorkloadEntry& endpoint, const Port& port) {
  if (auto own = endpoint.ports().find(port.name); own != endpoint.ports().end()) return static_cast<int>(own->second);
  return port.target;
}

Endpoint endpoint_of(const api::WorkloadEntry& spec, const Port& port) {
  Endpoint endpoint;
  endpoint.address = spec.address();
  endpoint.port = target_of(spec, port);
  endpoint.labels = labels_of(spec.labels());
  endpoint.locality = locality_named(spec.locality());
  endpoint.network = spec.network();
  endpoint.service_account = spec.service_account();
  endpoint.weight = spec.weight() == 0 ? 1 : spec.weight();
  auto tls = endpoint.labels.find("security.istio.io/tlsMode");
  endpoint.tls_istio = tls != endpoint.labels.end() && tls->second == "istio";
  return endpoint;
}

std::shared_ptr<const Workload> workload_of(const api::WorkloadEntry& spec, const objects::Ref& ref,
                                            const std::string& name) {
  auto workload = std::make_shared<Workload>();
  workload->ref = ref;
  workload->name = name;
  workload->ns = ref.ns;
  workload->addresses = {spec.address()};
  workload->labels = labels_of(spec.labels());
  workload->service_account = spec.service_account();
  workload->workload_name = name;
  workload->network = spec.network();
  workload->locality = locality_named(spec.locality());
  auto tls = workload->labels.find("security.istio.io/tlsMode");
  workload->tls_istio = tls != workload->labels.end() && tls->second == "istio";
  return workload;
}

Endpoint endpoint_of(const std::shared_ptr<const Workload>& pod, const Port& port) {
  Endpoint endpoint;
  endpoint.address = pod->addresses.front();
  endpoint.port = port.target;
  endpoint.workload = pod;
  endpoint.labels = pod->labels;
  endpoint.locality = pod->locality;
  endpoint.network = pod->network;
  endpoint.service_account = pod->service_account;
  endpoint.tls_istio = pod->tls_istio;
  return endpoint;
}

std::vector<Endpoint> selected(const config::ServiceEntry& entry, const Port& port, const Inputs& inputs) {
  std::vector<Endpoint> out;
  const auto& wanted = entry.spec.workload_selector().labels();
  for (const auto& [place, candidate] : inputs.table("networking.istio.io", "WorkloadEntry")) {
    auto* parsed = std::get_if<std::shared_ptr<const config::WorkloadEntry>>(&candidate.parsed);
    if (place.first != entry.meta.ref.ns || !parsed) continue;
    if (!has_all(labels_of((*parsed)->spec.labels()), wanted)) continue;
    Endpoint endpoint = endpoint_of((*parsed)->spec, port);
    endpoint.workload = mesh::workload_of(**parsed);
    out.push_back(std::move(endpoint));
  }
  for (const auto& [place, candidate] : inputs.table("", "Pod")) {
    auto* pod = std::get_if<std::shared_ptr<const Workload>>(&candidate.parsed);
    if (place.first == entry.meta.ref.ns && pod && has_all((*pod)->labels, wanted))
      out.push_back(endpoint_of(*pod, port));
  }
  return out;
}

}  // namespace

std::shared_ptr<const Workload> workload_of(const config::WorkloadEntry& entry) {
  return workload_of(entry.spec, entry.meta.ref, entry.meta.ref.name);
}

std::vector<std::shared_ptr<const Service>> services_of(const config::ServiceEntry& entry) {
  Service common;
  common.ref = entry.meta.ref;
  common.ns = entry.meta.ref.ns;
  common.created = entry.meta.created;
  common.labels = entry.meta.labels;
  common.external = entry.spec.location() == api::ServiceEntry::MESH_EXTERNAL;
  common.resolution = resolution_of(entry.spec);
  for (const std::string& written : entry.spec.addresses()) {
    std::string address = canonical_ip(written);
    if (address.empty()) address = written;  // a block
    if (std::ranges::find(common.addresses, address) == common.addresses.end())
      common.addresses.push_back(std::move(address));
  }
  common.export_to.assign(entry.spec.export_to().begin(), entry.spec.export_to().end());
  common.subject_alt_names.assign(entry.spec.subject_alt_names().begin(), entry.spec.subject_alt_names().end());
  for (const auto& spec : entry.spec.ports()) {
    Port port;
    port.name = spec.name();
    port.number = static_cast<int>(spec.number());
    port.target = spec.target_port() ? static_cast<int>(spec.target_port()) : port.number;
    port.protocol =
        spec.protocol().empty() ? protocol_of(port.name, "", port.number, "TCP") : protocol_named(spec.protocol());
    common.ports.push_back(std::move(port));
  }
  std::vector<std::shared_ptr<const Service>> out;
  for (const std::string& host : entry.spec.hosts()) {
    if (std::ranges::any_of(out, [&](const auto& known) { return known->hostname == host; })) continue;
    auto service = std::make_shared<Service>(common);
    service->hostname = host;
    service->name = host;
    out.push_back(std::move(service));
  }
  return out;
}

static std::vector<Endpoint> written_endpoints(const config::ServiceEntry& entry, const Service& service,
                                               const Port& port, const Inputs& inputs) {
  if (entry.spec.has_workload_selector()) return selected(entry, port, inputs);
  std::vector<Endpoint> out;
  int index = 0;
  for (const api::WorkloadEntry& spec : entry.spec.endpoints()) {
    Endpoint endpoint = endpoint_of(spec, port);
    endpoint.workload = workload_of(spec, entry.meta.ref, entry.meta.ref.name + "-" + std::to_string(index++));
    if (endpoint.locality == Locality{}) endpoint.locality = endpoint.workload->locality;
    out.push_back(std::move(endpoint));
  }
  bool by_name = service.resolution == Resolution::Dns || service.resolution == Resolution::DnsRoundRobin;
  if (out.empty() && by_name) {
    Endpoint itself;
    itself.address = service.hostname;
    itself.port = port.target;
    itself.workload = workload_of(api::WorkloadEntry(), entry.meta.ref, entry.meta.ref.name);
    out.push_back(std::move(itself));
  }
  return out;
}

// A WorkloadEntry may be a name, or in a network of its own, and ports may be out of range: what no proxy could dial
// would make it refuse the other endpoints too.
std::vector<Endpoint> endpoints_of(const config::ServiceEntry& entry, const Service& service, const Port& port,
                                   const Inputs& inputs) {
  if (service.resolution == Resolution::Passthrough) return {};
  std::vector<Endpoint> out = written_endpoints(entry, service, port, inputs);
  const bool by_address = service.resolution == Resolution::Endpoints;
  std::erase_if(out, [&](const Endpoint& endpoint) {
    bool dialled = !endpoint.address.empty() && !endpoint.address.starts_with("unix://") && endpoint.port > 0 &&
                   endpoint.port <= 65535;
    return !dialled || (by_address && canonical_ip(endpoint.address).empty());
  });
  if (service.resolution == Resolution::DnsRoundRobin && out.size() > 1) out.resize(1);  // a name at a time
  return out;
}

}  // namespace mesh
