// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "objects/object.h"

namespace mesh {

// What flows through a port, as far as anybody declared it.
enum class Protocol { Tcp, Udp, Http, Http2, Grpc, GrpcWeb, Https, Tls, Mongo, MySql, Redis, HttpProxy, Hbone, Auto };

// Istio's choice: appProtocol, else the port name's prefix, else well-known
// numbers, else Auto (sniffed).
Protocol protocol_of(std::string_view port_name, std::string_view app_protocol, int port, std::string_view transport);
// As Gateways and ServiceEntries spell it: "HTTP", "HTTPS", "TLS".
Protocol protocol_named(std::string_view text);
bool is_http(Protocol protocol);   // decoded as HTTP without sniffing
bool is_http2(Protocol protocol);  // HTTP/2 or gRPC
bool is_tls(Protocol protocol);    // passed through, SNI readable
std::string_view name(Protocol protocol);

struct Port {
  std::string name;
  int number = 0;
  int target = 0;           // where it is one number for all endpoints
  std::string target_name;  // where it names a container port
  Protocol protocol = Protocol::Auto;
};

// How a client finds the endpoints.
enum class Resolution {
  Endpoints,      // ClusterIP Services, ServiceEntry STATIC: EDS
  Passthrough,    // headless Services, ServiceEntry NONE: the address that was dialled
  Dns,            // ServiceEntry DNS
  DnsRoundRobin,  // ServiceEntry DNS_ROUND_ROBIN
  Alias,          // ExternalName
};

// A name in the mesh that can be called: a Kubernetes Service or one host of a
// ServiceEntry. Immutable.
struct Service {
  objects::Ref ref;      // the object it comes from
  std::string hostname;  // "reviews.default.svc.cluster.local", "*.example.com"
  std::string name;      // "reviews"; the hostname for a ServiceEntry
  std::string ns;
  std::string created;
  std::vector<std::string> addresses;  // cluster IPs or ServiceEntry addresses; may be CIDRs; empty: none
  std::vector<Port> ports;
  Resolution resolution = Resolution::Endpoints;
  bool external = false;  // MESH_EXTERNAL: no auto mTLS
  bool headless = false;
  bool publish_not_ready = false;
  bool from_kubernetes = false;
  std::string external_name;           // ExternalName Services
  std::vector<std::string> export_to;  // empty: everywhere
  objects::Labels selector;
  objects::Labels labels;
  std::vector<std::string> subject_alt_names;

  const Port* port(int number) const;
  const Port* port_named(std::string_view name) const;
};

struct Locality {
  std::string region, zone, subzone;
  auto operator<=>(const Locality&) const = default;
};

// Anything that runs: a pod or a WorkloadEntry. Immutable.
struct Workload {
  objects::Ref ref;
  std::string name;  // "reviews-v1-7d9f"
  std::string ns;
  std::vector<std::string> addresses;
  objects::Labels labels;
  std::string service_account;
  std::string workload_name;  // of its owner: "reviews-v1"
  std::string owner_kind;
  std::string network;
  std::string node;
  Locality locality;
  bool tls_istio = false;  // label security.istio.io/tlsMode=istio: it has a sidecar that speaks mTLS
  bool host_network = false;
  uint32_t weight = 0;
  std::map<std::string, int, std::less<>> named_ports;
};

// The canonical names that telemetry uses.
std::string canonical_name(const Workload& workload);
std::string canonical_revision(const Workload& workload);

// One EndpointSlice, read. Immutable.
struct Slice {
  struct Address {
    std::string ip;
    std::string pod;  // in the slice's namespace; may be empty
    std::string zone;
    bool ready = true;
  };
  struct SlicePort {
    std::string name;
    int number = 0;
  };
  std::string service;
  std::string ns;
  std::vector<Address> addresses;
  std::vector<SlicePort> ports;
};

enum class Health { Healthy, Unhealthy, Draining };

// Where one port of one service can be reached.
struct Endpoint {
  std::string address;  // an IP, or a host name in a DNS ServiceEntry
  int port = 0;
  Health health = Health::Healthy;
  std::shared_ptr<const Workload> workload;  // nullptr where nobody is known to run there
  objects::Labels labels;                    // the workload's, or the ServiceEntry endpoint's
  Locality locality;
  std::string network;
  std::string service_account;
  uint32_t weight = 1;
  bool tls_istio = false;
};

std::string spiffe_id(std::string_view trust_domain, std::string_view ns, std::string_view service_account);

}  // namespace mesh
