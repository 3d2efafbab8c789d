// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mesh/egress.h"
#include "mesh/peer_authentication.h"
#include "mesh/proxy.h"
#include "mesh/snapshot.h"

namespace mesh {

// One port of one Service that this workload stands behind.
struct InboundPort {
  Shared<Service> service;
  Port port;
  int target = 0;  // where the workload listens
};

// One server of one Gateway that selects this proxy.
struct GatewayServer {
  Shared<config::Gateway> gateway;
  int index = 0;        // in spec.servers
  int listen_port = 0;  // after the Service's targetPort
  int port = 0;         // as written in the Gateway
  Protocol protocol = Protocol::Http;
};

// Whether the proxy or its agent listens there itself, in every pod: no server of a Gateway can.
bool is_reserved_port(int port);

// What one proxy sees of a Snapshot: the only door for translate. Visibility
// (exportTo, Sidecar), precedence and selection are resolved here. Cheap to
// make for each push; immutable.
class View {
 public:
  View(std::shared_ptr<const Snapshot> snapshot, Proxy proxy);

  const Proxy& proxy() const { return proxy_; }
  uint64_t configuration() const { return snapshot_->configuration(); }
  // Equal for proxies of one snapshot that are told the same of everything but
  // their own inbound side: what an answer for one may be reused for.
  std::string outlook() const;
  const MeshConfig& mesh() const { return snapshot_->mesh; }
  // The workload that the proxy serves; nullptr where its pod is not known yet.
  const Workload* workload() const { return workload_.get(); }
  const objects::Labels& labels() const;

  // Outbound: services in egress scope: Kubernetes' own, then ServiceEntries', each by creation, then
  // hostname. Where two claim one thing, the first keeps it.
  const std::vector<Shared<Service>>& services() const { return egress_->services; }
  // The visible service of that name, or nullptr.
  const Service* service(std::string_view hostname) const;
  // VirtualServices that sidecars obey ("mesh"), in egress scope, oldest first.
  const std::vector<Shared<config::VirtualService>>& virtual_services() const { return egress_->virtual_services; }
  // VirtualServices bound to `gateway` ("namespace/name"), oldest first.
  std::vector<Shared<config::VirtualService>> virtual_services_of(std::string_view gateway) const;
  // The rule that applies to calls of `service` from here, merged; nullptr: none.
  Shared<config::DestinationRule> destination_rule(const Service& service) const;
  const std::vector<Endpoint>& endpoints(const Service& service, int port) const {
    return snapshot_->endpoints_of(service, port);
  }
  Shared<std::vector<Endpoint>> endpoint_set(const Service& service, int port) const {
    return snapshot_->endpoint_set(service, port);
  }
  std::vector<std::string> service_accounts(const Service& service) const;
  bool registry_only() const { return registry_only_; }

  // Inbound.
  const std::vector<InboundPort>& inbound_ports() const { return inbound_ports_; }
  const config::Sidecar* sidecar() const { return sidecar_.get(); }
  // Mode of this workload for connections to `target_port`.
  MtlsMode mtls_mode(int target_port) const;
  // Ports, named by a Service or not, that have a mode of their own.
  std::vector<int> ports_with_mtls_mode() const;
  // Mode in which a peer takes connections, for the choice of TLS towards it.
  MtlsMode mtls_mode_of(const Endpoint& endpoint, const Service& service) const;
  // False where PeerAuthentication turned mTLS off for the whole service.
  bool mtls_possible(const Service& service) const;

  // Security and telemetry that select this workload, root namespace's first.
  std::vector<Shared<config::AuthorizationPolicy>> authorization_policies() const;
  std::vector<Shared<config::RequestAuthentication>> request_authentications() const;
  std::vector<Shared<config::Telemetry>> telemetries() const;

  // The keys behind a jwksUri, or nullptr where they have not been fetched.
  const std::string* jwks(const std::string& uri) const;

  // Gateways (routers only).
  const std::vector<GatewayServer>& gateway_servers() const { return gateway_servers_; }
  // The Secret that a credentialName means to this proxy, or nullptr: the
  // gateway's own namespace only.
  const objects::Object* secret(std::string_view ns, std::string_view name) const;

 private:
  std::shared_ptr<const Snapshot> snapshot_;
  Proxy proxy_;
  Shared<Workload> workload_;
  Shared<config::Sidecar> sidecar_;
  std::shared_ptr<const Egress> egress_;
  std::vector<InboundPort> inbound_ports_;
  std::vector<GatewayServer> gateway_servers_;
  bool registry_only_ = false;
};

}  // namespace mesh
