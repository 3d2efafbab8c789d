// SPDX-License-Identifier: Apache-2.0
#include "mesh/snapshot.h"

#include <algorithm>
#include <set>

#include "config/specs.h"
#include "mesh/egress.h"
#include "mesh/hostname.h"
#include "mesh/kubernetes.h"
#include "mesh/resolve.h"
#include "mesh/service_entry.h"

namespace mesh {
namespace {

constexpr std::string_view kNetworking = "networking.istio.io";
constexpr std::string_view kSecurity = "security.istio.io";

template <typename T>
std::vector<Shared<T>> all(const Inputs& inputs, std::string_view group, std::string_view kind) {
  std::vector<Shared<T>> out;
  for (const auto& [place, entry] : inputs.table(group, kind))
    if (auto* parsed = std::get_if<Shared<T>>(&entry.parsed)) out.push_back(*parsed);
  if constexpr (requires(const T& t) { t.meta; })
    std::ranges::stable_sort(out, [](const auto& a, const auto& b) { return config::older(a->meta, b->meta); });
  return out;
}

template <typename T>
ByNamespace<T> by_namespace(const Inputs& inputs, std::string_view group, std::string_view kind) {
  ByNamespace<T> out;
  for (Shared<T>& config : all<T>(inputs, group, kind)) out[config->meta.ref.ns].push_back(std::move(config));
  return out;
}

const objects::Object* mesh_config_map(const Inputs& inputs) {
  const Inputs::Table& maps = inputs.table("", "ConfigMap");
  auto usual = maps.find(std::pair("istio-system", "istio"));
  if (usual != maps.end()) return usual->second.object.get();
  for (const auto& [place, entry] : maps)
    if (place.second == "istio") return entry.object.get();
  return nullptr;
}

// Kubernetes hands out addresses and names; what a ServiceEntry says of them is its author's word.
bool earlier(const Service& a, const Service& b) {
  if (a.from_kubernetes != b.from_kubernetes) return a.from_kubernetes;
  return std::tie(a.created, a.hostname, a.ns) < std::tie(b.created, b.hostname, b.ns);
}

}  // namespace

// Fills one snapshot, part by part, borrowing from the previous one.
struct SnapshotBuilder {
  const Inputs& inputs;
  const Snapshot* previous;
  Snapshot& out;

  bool same_inputs() const { return previous && previous->inputs_configuration_ == inputs.configuration(); }

  void build() {
    out.workloads_revision_ = inputs.workloads_revision();
    out.version_ = previous ? previous->version_ + 1 : 1;
    out.inputs_configuration_ = inputs.configuration();
    if (same_inputs())
      borrow();
    else
      read_configuration();
    add_workloads();
    add_endpoints();
    add_service_accounts();
    find_headless_addresses();
    bool same = same_inputs() && same_service_accounts() && same_listed_endpoints();
    out.configuration_ = same ? previous->configuration_ : out.version_;
  }

  void borrow() {
    out.mesh = previous->mesh;
    out.services = previous->services;
    out.by_hostname = previous->by_hostname;
    out.virtual_services = previous->virtual_services;
    out.rules_by_host = previous->rules_by_host;
    out.wildcard_rules = previous->wildcard_rules;
    out.selecting_rules = previous->selecting_rules;
    out.gateways = previous->gateways;
    out.sidecars = previous->sidecars;
    out.peer_authentications = previous->peer_authentications;
    out.authorization_policies = previous->authorization_policies;
    out.request_authentications = previous->request_authentications;
    out.telemetries = previous->telemetries;
    out.secrets = previous->secrets;
    out.jwks = previous->jwks;
    out.labels_that_matter_ = previous->labels_that_matter_;
  }

  void read_configuration() {
    out.mesh = mesh_config_of(mesh_config_map(inputs));
    add_services();
    add_virtual_services();
    add_destination_rules();
    out.gateways = all<config::Gateway>(inputs, kNetworking, "Gateway");
    out.sidecars = by_namespace<config::Sidecar>(inputs, kNetworking, "Sidecar");
    out.peer_authentications = by_namespace<config::PeerAuthentication>(inputs, kSecurity, "PeerAuthentication");
    out.authorization_policies = by_namespace<config::AuthorizationPolicy>(inputs, kSecurity, "AuthorizationPolicy");
    out.request_authentications =
        by_namespace<config::RequestAuthentication>(inputs, kSecurity, "RequestAuthentication");
    out.telemetries = by_namespace<config::Telemetry>(inputs, "telemetry.istio.io", "Telemetry");
    out.jwks = inputs.jwks();
    for (const auto& [place, entry] : inputs.table("", "Secret")) out.secrets.emplace(place, entry.object);
    find_labels_that_matter();
  }

  void find_labels_that_matter() {
    auto matters = [&](const auto& labels) {
      for (const auto& [key, value] : labels) out.labels_that_matter_.insert(key);
    };
    auto from_routes = [&](const auto& routes) {
      for (const auto& route : routes)
        for (const auto& match : route.match()) matters(match.source_labels());
    };
    for (const auto& virtual_service : out.virtual_services) {
      from_routes(virtual_service->spec.http());
      from_routes(virtual_service->spec.tls());
      from_routes(virtual_service->spec.tcp());
    }
    for (const auto& [ns, rules] : out.selecting_rules)
      for (const auto& rule : rules) matters(rule->spec.workload_selector().match_labels());
  }

  void find_headless_addresses() {
    for (const auto& service : out.services)
      if (service->headless)
        for (const Port& port : service->ports)
          for (const Endpoint& endpoint : out.endpoints_of(*service, port.number))
            out.headless_addresses_.insert(endpoint.address);
  }

  void add_services() {
    out.services = all<Service>(inputs, "", "Service");
    for (const auto& entry : all<config::ServiceEntry>(inputs, kNetworking, "ServiceEntry"))
      for (auto& service : services_of(*entry)) out.services.push_back(std::move(service));
    std::ranges::stable_sort(out.services, [](const auto& a, const auto& b) { return earlier(*a, *b); });
    for (const auto& service : out.services) out.by_hostname[service->hostname].push_back(service);
  }

  void add_virtual_services() {
    auto every = all<config::VirtualService>(inputs, kNetworking, "VirtualService");
    auto find = [&](std::string_view ns, std::string_view name) -> Shared<config::VirtualService> {
      for (const auto& candidate : every)
        if (candidate->meta.ref.ns == ns && candidate->meta.ref.name == name && candidate->spec.hosts().empty())
          return candidate;
      return nullptr;
    };
    for (const auto& virtual_service : every)
      if (!virtual_service->spec.hosts().empty()) out.virtual_services.push_back(with_delegates(virtual_service, find));
  }

  void add_destination_rules() {
    for (const auto& rule : all<config::DestinationRule>(inputs, kNetworking, "DestinationRule")) {
      const std::string& ns = rule->meta.ref.ns;
      if (rule->spec.has_workload_selector()) {
        out.selecting_rules[ns].push_back(rule);
      } else if (is_wildcard(rule->spec.host())) {
        out.wildcard_rules[ns].push_back(rule);
      } else {
        auto& place = out.rules_by_host[ns + "/" + rule->spec.host()];
        place = place ? merged(place, *rule) : rule;
      }
    }
  }

  void add_workloads() {
    if (previous && previous->workloads_revision_ == out.workloads_revision_) {
      out.workloads = previous->workloads;
      return;
    }
    auto workloads = std::make_shared<Workloads>();
    for (const auto& [place, entry] : inputs.table("", "Pod"))
      if (auto* workload = std::get_if<Shared<Workload>>(&entry.parsed)) add_workload(*workloads, place, *workload);
    for (const auto& [place, entry] : inputs.table(kNetworking, "WorkloadEntry"))
      if (auto* parsed = std::get_if<Shared<config::WorkloadEntry>>(&entry.parsed))
        add_workload(*workloads, place, workload_of(**parsed));
    out.workloads = std::move(workloads);
  }

  static void add_workload(Workloads& to, const std::pair<std::string, std::string>& place,
                           const Shared<Workload>& workload) {
    to.by_name.emplace(place, workload);
    if (!workload->host_network)
      for (const std::string& address : workload->addresses) to.by_address.emplace(address, workload);
  }

  void add_endpoints() {
    std::map<std::pair<std::string_view, std::string_view>, std::vector<const Slice*>> slices;
    for (const auto& [place, entry] : inputs.table("discovery.k8s.io", "EndpointSlice"))
      if (auto* slice = std::get_if<Shared<Slice>>(&entry.parsed))
        slices[{(*slice)->ns, (*slice)->service}].push_back(slice->get());
    for (const auto& service : out.services) {
      if (!service->from_kubernetes) {
        add_entry_endpoints(*service);
        continue;
      }
      std::string key = service->ns + "/" + service->name;
      uint64_t revision = inputs.endpoints_revision(service->ns, service->name);
      out.endpoint_revisions_[key] = revision;
      if (same_inputs() && reuse(*service, key, revision)) continue;
      const auto& own = slices[{service->ns, service->name}];
      for (const Port& port : service->ports)
        out.endpoints[endpoint_key(*service, port.number)] =
            std::make_shared<const std::vector<Endpoint>>(join(*service, port, own));
    }
  }

  bool reuse(const Service& service, const std::string& key, uint64_t revision) {
    auto known = previous->endpoint_revisions_.find(key);
    if (known == previous->endpoint_revisions_.end() || known->second != revision) return false;
    for (const Port& port : service.ports) {
      std::string place = endpoint_key(service, port.number);
      auto found = previous->endpoints.find(place);
      if (found != previous->endpoints.end()) out.endpoints[place] = found->second;
    }
    return true;
  }

  std::vector<Endpoint> join(const Service& service, const Port& port, const std::vector<const Slice*>& slices) {
    std::vector<Endpoint> endpoints;
    for (const Slice* slice : slices) {
      auto listed = std::ranges::find(slice->ports, port.name, &Slice::SlicePort::name);
      if (listed == slice->ports.end()) continue;
      for (const Slice::Address& address : slice->addresses) {
        if (!address.ready && !service.publish_not_ready) continue;
        auto same = [&](const Endpoint& known) { return known.address == address.ip && known.port == listed->number; };
        if (std::ranges::any_of(endpoints, same)) continue;
        endpoints.push_back(endpoint_of(*slice, address, listed->number));
      }
    }
    std::ranges::sort(endpoints, [](const Endpoint& a, const Endpoint& b) { return a.address < b.address; });
    return endpoints;
  }

  // A pod's address is Kubernetes' word; a WorkloadEntry's is its author's, who speaks for one namespace.
  static bool vouches_for(const Workload& workload, std::string_view ns) {
    return workload.ref.kind == "Pod" || workload.ns == ns;
  }

  Endpoint endpoint_of(const Slice& slice, const Slice::Address& address, int port) {
    Endpoint endpoint;
    endpoint.address = address.ip;
    endpoint.port = port;
    const Workloads& workloads = *out.workloads;
    if (auto pod = workloads.by_name.find(std::pair(slice.ns, address.pod)); pod != workloads.by_name.end())
      endpoint.workload = pod->second;
    else if (auto known = workloads.by_address.find(address.ip);
             known != workloads.by_address.end() && vouches_for(*known->second, slice.ns))
      endpoint.workload = known->second;
    endpoint.locality.zone = address.zone;
    if (const Workload* workload = endpoint.workload.get()) {
      endpoint.labels = workload->labels;
      if (workload->locality != Locality{}) endpoint.locality = workload->locality;
      endpoint.network = workload->network;
      endpoint.service_account = workload->service_account;
      endpoint.tls_istio = workload->tls_istio;
    }
    return endpoint;
  }

  void add_entry_endpoints(const Service& service) {
    const Inputs::Entry* entry = inputs.find(service.ref);
    auto* parsed = entry ? std::get_if<Shared<config::ServiceEntry>>(&entry->parsed) : nullptr;
    if (!parsed) return;
    for (const Port& port : service.ports)
      out.endpoints[endpoint_key(service, port.number)] =
          std::make_shared<const std::vector<Endpoint>>(endpoints_of(**parsed, service, port, inputs));
  }

  // Who may answer for a hostname: the identities behind its endpoints, as one namespace says it. Another namespace's
  // object of that name adds none: proxies would take its pods for the owner's.
  void add_service_accounts() {
    for (const auto& [hostname, claims] : out.by_hostname) {
      std::map<std::string_view, std::vector<Shared<Service>>> by_namespace;
      for (const auto& service : claims) by_namespace[service->ns].push_back(service);
      for (const auto& [ns, own] : by_namespace) add_service_accounts(accounts_key(ns, hostname), own);
    }
  }

  void add_service_accounts(std::string key, const std::vector<Shared<Service>>& claims) {
    if (same_endpoints(claims)) {
      auto known = previous->service_accounts.find(key);
      if (known != previous->service_accounts.end()) {
        out.service_accounts.emplace(std::move(key), known->second);
        return;
      }
    }
    std::set<std::pair<std::string_view, std::string_view>> accounts;
    for (const auto& service : claims)
      for (const Port& port : service->ports)
        for (const Endpoint& endpoint : out.endpoints_of(*service, port.number))
          if (!endpoint.service_account.empty())
            accounts.emplace(endpoint.workload ? endpoint.workload->ns : service->ns, endpoint.service_account);
    auto ids = std::make_shared<std::vector<std::string>>();
    for (const auto& [ns, account] : accounts) ids->push_back(spiffe_id(out.mesh.trust_domain, ns, account));
    out.service_accounts.emplace(std::move(key), std::move(ids));
  }

  bool same_endpoints(const std::vector<Shared<Service>>& claims) const {
    if (!same_inputs()) return false;
    for (const auto& service : claims)
      for (const Port& port : service->ports)
        if (out.endpoint_set(*service, port.number) != previous->endpoint_set(*service, port.number)) return false;
    return true;
  }

  bool same_service_accounts() const {
    auto same = [](const auto& a, const auto& b) { return a == b || *a == *b; };
    if (out.service_accounts.size() != previous->service_accounts.size()) return false;
    return std::ranges::all_of(out.service_accounts, [&](const auto& entry) {
      auto then = previous->service_accounts.find(entry.first);
      return then != previous->service_accounts.end() && same(entry.second, then->second);
    });
  }

  // Endpoints that are written into listeners and clusters themselves: one
  // listener per pod of a headless Service, DNS names inside their cluster.
  bool same_listed_endpoints() const {
    for (const auto& service : out.services) {
      if (!service->headless && service->resolution == Resolution::Endpoints) continue;
      for (const Port& port : service->ports) {
        const auto& now = out.endpoints_of(*service, port.number);
        const auto& then = previous->endpoints_of(*service, port.number);
        auto same = [](const Endpoint& a, const Endpoint& b) {
          return a.address == b.address && a.port == b.port && a.labels == b.labels && a.weight == b.weight;
        };
        if (&now != &then && !std::ranges::equal(now, then, same)) return false;
      }
    }
    return true;
  }
};

std::shared_ptr<const Snapshot> Snapshot::build(const Inputs& inputs, const Snapshot* previous) {
  auto snapshot = std::make_shared<Snapshot>();
  SnapshotBuilder{inputs, previous, *snapshot}.build();
  return snapshot;
}

const Service* Snapshot::service(std::string_view hostname) const {
  auto found = by_hostname.find(hostname);
  return found == by_hostname.end() ? nullptr : found->second.front().get();
}

Shared<std::vector<Endpoint>> Snapshot::endpoint_set(const Service& service, int port) const {
  static const auto kNone = std::make_shared<const std::vector<Endpoint>>();
  auto found = endpoints.find(endpoint_key(service, port));
  return found == endpoints.end() ? kNone : found->second;
}

std::shared_ptr<const Egress> Snapshot::egress(const std::string& ns, const Shared<config::Sidecar>& sidecar) const {
  std::lock_guard lock(egress_lock_);
  auto& place = egress_[{ns, sidecar.get()}];
  if (!place) place = std::make_shared<const Egress>(egress_of(*this, ns, sidecar.get()));
  return place;
}

std::string accounts_key(std::string_view ns, std::string_view hostname) {
  return std::string(ns).append("/").append(hostname);
}

std::string endpoint_key(const Service& service, int port) {
  std::string out = service.ns + "/" + service.hostname + ":" + std::to_string(port);
  return service.from_kubernetes ? out : out + "/" + service.ref.name;  // several objects may speak of one host
}

std::string full_hostname(std::string_view host, std::string_view ns, std::string_view cluster_domain) {
  std::string out(host);
  if (host.find('.') != std::string_view::npos || is_wildcard(host)) return out;
  return out.append(".").append(ns).append(".svc.").append(cluster_domain);
}

}  // namespace mesh
