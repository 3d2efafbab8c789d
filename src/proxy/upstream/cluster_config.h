// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/address.h"
#include "net/tls.h"
#include "proxy/route/route.h"

namespace proxy {

// One way of matching a name in the peer's certificate.
struct SanMatch {
  enum class Type : uint8_t { Any, Uri, Dns };
  Type type = Type::Any;
  StringMatch match;
};

// Whether the peer's certificate carries a name that one of `sans` takes; none wanted: yes.
bool carries_name(const std::vector<SanMatch>& sans, const net::TlsPeer& peer);

// How bytes travel on one side of the proxy. The context, which changes as
// certificates are renewed, is RuntimeConfig::tls[tls].
struct Transport {
  Slot tls = kNone;  // none: clear text
  Slot tls_exclusive = kNone;  // the same without the offer to multiplex, for what needs its own connection
  Slot tls_tcp = kNone;        // for TCP proxying, where that offers other protocols
  std::string sni;
  bool sni_from_host = false;  // the request's authority, where `sni` is empty
  bool check_host = false;     // the certificate must carry that name
  std::vector<SanMatch> sans;
  bool istio_alpn = false;  // offers "istio": a peer of the mesh, to be asked as Istio's proxies ask each other

  bool is_tls() const { return tls != kNone; }
};

enum class Health : uint8_t { Healthy, Degraded, Unhealthy, Draining };

struct Endpoint {
  net::Address address;
  std::string text;      // of the address
  std::string hostname;  // as configured; empty: none
  uint32_t weight = 1;
  uint8_t priority = 0;
  Health health = Health::Healthy;
  uint32_t locality = 0;  // index into EndpointSet::localities
  std::vector<std::pair<std::string, std::string>> labels;  // envoy.transport_socket_match
  std::string workload;                                     // "name;namespace;canonical;revision;cluster"
};

// The endpoints of one cluster; swaps on its own, whatever else changes.
struct EndpointSet {
  struct Locality {
    std::string region, zone, sub_zone;
    uint32_t weight = 1;
    uint32_t priority = 0;
  };
  std::vector<Locality> localities;
  std::vector<Endpoint> endpoints;
  uint32_t overprovisioning = 140;
};

// What the process may have open at a time towards one cluster, per priority.
struct CircuitBreaker {
  uint32_t connections = 1024, pending = 1024, requests = 1024, retries = 3;
};

struct OutlierPolicy {
  uint32_t consecutive_5xx = 5;
  uint32_t consecutive_gateway_failure = 0;  // 0: not counted
  std::chrono::milliseconds interval{10'000};
  std::chrono::milliseconds base_ejection{30'000};
  std::chrono::milliseconds max_ejection{300'000};
  uint32_t max_ejection_percent = 10;
};

// A Cluster, compiled. Its endpoints, where they come over EDS or DNS, and its
// connections live in each worker's ClusterState.
struct Cluster {
  enum class Type : uint8_t { Static, StrictDns, LogicalDns, Eds, OriginalDst };
  enum class Balance : uint8_t { RoundRobin, LeastRequest, Random, RingHash, Maglev, Provided };
  enum class Http : uint8_t { Http1, Http2, AsDownstream, ByAlpn };
  struct TransportChoice {
    std::string name;
    std::vector<std::pair<std::string, std::string>> labels;  // an endpoint that carries all of them
    Transport transport;
  };
  struct DnsName {
    std::string host;
    uint16_t port = 0;
    Endpoint endpoint;  // all but the address
  };

  std::string name;
  Slot slot = kNone;
  Type type = Type::Static;
  Balance balance = Balance::RoundRobin;
  uint32_t choices = 2;  // least request
  uint32_t ring_minimum = 1024, ring_maximum = 8'388'608, maglev_size = 65'537;
  Http http = Http::Http1;
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds idle_timeout{3'600'000};  // of connections; 0: none
  uint32_t max_requests_per_connection = 0;           // 0: any number
  uint32_t http2_streams = 100;                       // at a time on one connection, where the peer allows them
  double panic_percent = 50;
  CircuitBreaker breaker[2];  // default, high priority
  std::optional<OutlierPolicy> outlier;
  net::Address source;
  Transport transport;
  std::vector<TransportChoice> transport_choices;  // the first that fits an endpoint, before `transport`
  bool use_original_host_header = false;           // ORIGINAL_DST: x-envoy-original-dst-host counts
  uint16_t original_port = 0;                      // ORIGINAL_DST: this port in place of the original one
  std::string endpoints_name;                      // EDS
  std::shared_ptr<const EndpointSet> endpoints;    // Static
  std::vector<DnsName> dns_names;
  std::chrono::milliseconds dns_refresh{5'000};
  enum class Family : uint8_t { Any, V4, V6 } dns_family = Family::Any;

  std::string service_host, service_name, service_namespace;  // whom it stands for, in metrics
  std::string origin;                                         // the DestinationRule

  const Transport& transport_for(const Endpoint& endpoint) const;
};

}  // namespace proxy
