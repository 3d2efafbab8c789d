// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/strings.h"
#include "config/config.h"
#include "mesh/inputs.h"
#include "mesh/mesh_config.h"
#include "mesh/service.h"

namespace mesh {

template <typename T>
using Shared = std::shared_ptr<const T>;
struct Egress;

template <typename T>
using ByNamespace = std::map<std::string, std::vector<Shared<T>>, std::less<>>;

// Everything that runs, to be found by name and by address.
struct Workloads {
  std::map<std::pair<std::string, std::string>, Shared<Workload>> by_name;  // namespace and name
  base::StringMap<Shared<Workload>> by_address;
};

// All objects joined, at one moment. Immutable, shared by every proxy's View
// and by the analyzers; lists are in Istio's order (oldest first).
class Snapshot {
 public:
  // `previous` lends the parts that did not change.
  static std::shared_ptr<const Snapshot> build(const Inputs& inputs, const Snapshot* previous = nullptr);

  // Two snapshots with one configuration() differ in endpoints alone, so
  // listeners, routes and clusters need no new translation.
  uint64_t configuration() const { return configuration_; }
  uint64_t version() const { return version_; }

  MeshConfig mesh;
  std::vector<Shared<Service>> services;  // Kubernetes' first where a hostname is claimed twice
  base::StringMap<std::vector<Shared<Service>>> by_hostname;
  // Endpoints of one port of one service, keyed by endpoint_key.
  base::StringMap<Shared<std::vector<Endpoint>>> endpoints;
  base::StringMap<Shared<std::vector<std::string>>> service_accounts;  // SPIFFE ids by accounts_key, sorted
  Shared<Workloads> workloads;

  // Names in full, delegates resolved; delegates themselves are left out.
  std::vector<Shared<config::VirtualService>> virtual_services;
  // One namespace's rules for one host are merged; by "namespace/host" with the
  // full host, and those with a wildcard or a workloadSelector by namespace.
  base::StringMap<Shared<config::DestinationRule>> rules_by_host;
  ByNamespace<config::DestinationRule> wildcard_rules;
  ByNamespace<config::DestinationRule> selecting_rules;
  std::vector<Shared<config::Gateway>> gateways;
  ByNamespace<config::Sidecar> sidecars;
  ByNamespace<config::PeerAuthentication> peer_authentications;
  ByNamespace<config::AuthorizationPolicy> authorization_policies;
  ByNamespace<config::RequestAuthentication> request_authentications;
  ByNamespace<config::Telemetry> telemetries;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<const objects::Object>> secrets;  // TLS credentials
  base::StringMap<std::string> jwks;                                                              // by jwksUri

  // The service a client in any namespace means by this FQDN; nullptr: none.
  const Service* service(std::string_view hostname) const;
  const std::vector<Endpoint>& endpoints_of(const Service& service, int port) const {
    return *endpoint_set(service, port);
  }
  // The same, to be kept: the pointer changes when an endpoint does.
  Shared<std::vector<Endpoint>> endpoint_set(const Service& service, int port) const;

  // What clients of one namespace see, made at the first question and shared by
  // all who ask for the same.
  std::shared_ptr<const Egress> egress(const std::string& ns, const Shared<config::Sidecar>& sidecar) const;
  // Labels of clients that a VirtualService or DestinationRule asks about.
  const std::set<std::string>& labels_that_matter() const { return labels_that_matter_; }
  // Addresses of pods behind headless Services: such a client does not dial itself.
  bool is_headless_endpoint(const std::string& address) const { return headless_addresses_.contains(address); }

 private:
  friend struct SnapshotBuilder;
  uint64_t version_ = 0;
  uint64_t configuration_ = 0;
  uint64_t inputs_configuration_ = 0;
  uint64_t workloads_revision_ = 0;
  std::set<std::string> labels_that_matter_;
  std::set<std::string> headless_addresses_;
  mutable std::mutex egress_lock_;
  mutable std::map<std::pair<std::string, const config::Sidecar*>, std::shared_ptr<const Egress>> egress_;
  base::StringMap<uint64_t> endpoint_revisions_;  // by "ns/name", of Kubernetes Services
};

// The identities of a hostname as one namespace's objects have it: "default/reviews.default.svc.cluster.local"
std::string accounts_key(std::string_view ns, std::string_view hostname);
// "default/reviews.default.svc.cluster.local:9080"; with the object's name where it is a ServiceEntry.
std::string endpoint_key(const Service& service, int port);

// A short name in an object of `ns` as the full one: "reviews" ->
// "reviews.default.svc.cluster.local". Names with a dot and wildcards stay.
std::string full_hostname(std::string_view host, std::string_view ns, std::string_view cluster_domain);

// What is wrong between objects: unknown hosts and subsets, Gateways that no
// VirtualService can find, one host claimed twice, documents that do not parse.
std::vector<config::Finding> analyze(const Inputs& inputs, const Snapshot& snapshot);
// The same, and what is wrong in each of Istio's objects by itself, or not acted on.
std::vector<config::Finding> analyze_all(const Inputs& inputs, const Snapshot& snapshot);

}  // namespace mesh
