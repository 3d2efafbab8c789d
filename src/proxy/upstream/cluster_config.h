// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "http/h1_spelling.h"
#include "net/address.h"
#include "net/loop.h"
#include "net/tls.h"
#include "proxy/route/route.h"
#include "proxy/upstream/subset.h"

namespace proxy {

// Settings of HTTP/2 that both sides have.
struct Http2Options {
  uint32_t stream_window = 0, connection_window = 0;  // that the peer may send ahead; 0: as usual here
  uint32_t header_table = 4096;
  std::chrono::milliseconds ping_interval{0}, ping_timeout{0};  // no timeout: no pings
  std::chrono::milliseconds ping_idle{0};                       // upstream: a ping ahead of a request after so long
  double ping_jitter = 0.15;
};

class ClusterShared;

struct AddressHash {
  size_t operator()(const net::Address& address) const { return address.hash(); }
};

// One way of matching a name in the peer's certificate.
struct SanMatch {
  enum class Type : uint8_t { Any, Uri, Dns, Ip };
  Type type = Type::Any;
  StringMatch match;
};

inline constexpr std::string_view kNoExpectedName = "the peer's certificate carries none of the expected names";
inline std::string refused_peer(std::string_view why) {
  return "TLS_error: CERTIFICATE_VERIFY_FAILED: " + std::string(why);
}

// Whether the peer's certificate carries a name that one of `sans` takes; none wanted: yes.
bool carries_name(const std::vector<SanMatch>& sans, const net::TlsPeer& peer);

// Whether it carries this very host: a DNS name (RFC 6125, with wildcards of one label) or an IP address.
bool carries_host(std::string_view host, const net::TlsPeer& peer);

enum class ProxyProtocol : uint8_t { None, V1, V2 };

// How bytes travel on one side of the proxy. The context, which changes as
// certificates are renewed, is RuntimeConfig::tls[tls].
struct Transport {
  Slot tls = kNone;            // none: clear text
  Slot tls_exclusive = kNone;  // the same without the offer to multiplex, for what needs its own connection
  Slot tls_http1 = kNone;      // where the protocol is the downstream's: the offer for HTTP/1.1
  Slot tls_tcp = kNone;        // for TCP proxying, where that offers other protocols
  std::string sni;
  bool sni_from_host = false;      // the request's authority, before `sni`; connections are kept apart by it
  std::string sni_header;          // that header in place of the authority
  bool sni_from_endpoint = false;  // the endpoint's host name, before `sni`
  bool check_host = false;         // the certificate must carry the name asked for
  bool istio_alpn = false;         // offers "istio": a peer of the mesh, to be asked as Istio's proxies ask each other
  ProxyProtocol proxy_protocol = ProxyProtocol::None;  // said first on every connection, which so is one downstream's

  bool is_tls() const { return tls != kNone; }
  // Connections differ by more than the host they lead to.
  bool keyed() const { return sni_from_host || proxy_protocol != ProxyProtocol::None; }
  bool operator==(const Transport& other) const;
};

enum class Health : uint8_t { Healthy, Degraded, Unhealthy, Draining };

// What few endpoints have, or many have alike.
struct EndpointDetails {
  std::vector<net::Address> additional;                     // to be tried where the endpoint's own cannot be reached
  std::string hostname;                                     // as configured; empty: none
  std::vector<std::pair<std::string, std::string>> labels;  // envoy.transport_socket_match
  std::string hash_key;                                     // envoy.lb hash_key, before the name
  std::string workload;                                     // "name;namespace;canonical;revision;cluster"
  std::vector<SubsetLabel> subset_labels;                   // all of envoy.lb
  net::Address check_address;                               // where active checks go; invalid: the endpoint's own
  uint16_t check_port = 0;                                  // of DNS endpoints, the same
  std::string check_hostname;

  bool operator==(const EndpointDetails&) const = default;
};

// Thousands of them lie in memory, most of them unused: kept small.
struct Endpoint {
  net::Address address;
  std::shared_ptr<const EndpointDetails> details;  // nullptr: none of them
  uint32_t weight = 1;
  uint32_t locality = 0;  // index into EndpointSet::localities
  uint8_t priority = 0;
  Health health = Health::Healthy;
  bool unchecked = false;          // no active checks for this one
  net::Clock::time_point since{};  // when it came to be, for slow start; unset where that does not matter

  const EndpointDetails& more() const;
  // `like` shares its details where they are the same.
  void set_details(EndpointDetails of, const Endpoint* like = nullptr);
};

// The endpoints of one cluster; swaps on its own, whatever else changes.
struct EndpointSet {
  struct Locality {
    std::string region, zone, sub_zone;
    uint32_t weight = 0;  // 0: takes no traffic where localities are weighted
    uint32_t priority = 0;
  };
  std::vector<Locality> localities;
  std::vector<Endpoint> endpoints;
  uint32_t overprovisioning = 140;
  bool weighted_priority_health = false;  // a priority's health is by weight, not by number of endpoints
};

// What the process may have open at a time towards one cluster, per priority.
struct CircuitBreaker {
  uint32_t connections = 1024, pending = 1024, requests = 1024, retries = 3;  // UINT32_MAX: any number
  struct RetryBudget {
    double percent = 20;  // of the requests under way
    uint32_t minimum = 3;
  };
  std::optional<RetryBudget> retry_budget;  // in place of `retries`
  bool track_remaining = false;             // told in metrics
};

// Envoy's defaults. A number of failures in a row that is 0 counts nothing.
struct OutlierPolicy {
  uint32_t consecutive_5xx = 5, consecutive_gateway_failure = 5, consecutive_local_failure = 5;
  bool split_local = false;  // this side's failures count by themselves
  uint32_t enforce_5xx = 100, enforce_gateway_failure = 0, enforce_local_failure = 100;  // percent
  uint32_t enforce_success_rate = 100, enforce_local_success_rate = 100;
  uint32_t enforce_failure_percentage = 0, enforce_local_failure_percentage = 0;
  uint32_t success_rate_hosts = 5, success_rate_volume = 100, success_rate_stdev = 1900;  // thousandths
  uint32_t failure_percentage_threshold = 85, failure_percentage_hosts = 5, failure_percentage_volume = 50;
  std::chrono::milliseconds interval{10'000};
  std::chrono::milliseconds base_ejection{30'000};
  std::chrono::milliseconds max_ejection{300'000};
  std::chrono::milliseconds jitter{0};
  uint32_t max_ejection_percent = 10;
  bool always_eject_one = false;
  bool checks_uneject = true;  // a passed active check ends the ejection
};

// Active checks of every endpoint, once per process.
struct HealthCheck {
  enum class Kind : uint8_t { Http, Tcp, Grpc };
  Kind kind = Kind::Http;
  std::chrono::milliseconds timeout{0}, interval{0}, initial_jitter{0}, interval_jitter{0};
  uint32_t jitter_percent = 0;
  uint32_t unhealthy_threshold = 1, healthy_threshold = 1;
  std::chrono::milliseconds no_traffic{60'000}, no_traffic_healthy{0}, unhealthy{0}, unhealthy_edge{0}, healthy_edge{0};
  bool reuse_connection = true;
  bool http2 = false;
  std::string host, path, method = "GET";  // of HTTP; `host` is gRPC's authority too
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::string> removed_headers;
  std::vector<std::pair<int, int>> expected{{200, 201}}, retriable;  // from, up to but not including
  std::string service;                                               // of gRPC; of HTTP see service_name
  std::optional<StringMatch> service_name;                           // x-envoy-upstream-healthchecked-cluster
  std::string send;                                                  // of TCP
  std::vector<std::string> receive;                                  // these, in this order, somewhere in the answer
  Slot tls = kNone;  // in place of the transport's, where other protocols are offered
  std::vector<std::pair<std::string, std::string>>
      transport_labels;  // choose the transport, in place of the endpoint's
};

struct SlowStart {
  std::chrono::milliseconds window{0};  // 0: none
  double aggression = 1;
  double minimum = 0.1;  // of the weight
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
  std::string stat_name;  // in metrics
  Slot slot = kNone;
  Type type = Type::Static;
  Balance balance = Balance::RoundRobin;
  uint32_t choices = 2;     // least request
  double request_bias = 1;  // least request with weights: how much requests under way count
  SlowStart slow_start;
  uint64_t ring_minimum = 1024, ring_maximum = 8'388'608, maglev_size = 65'537;
  bool murmur = false;               // the ring's points, in place of xxHash
  bool hash_hostname = false;        // endpoints are hashed by their host name, not their address
  uint32_t hash_balance_factor = 0;  // percent of the fair share that one endpoint may have; 0: any
  bool locality_weighted = false;
  std::shared_ptr<const SubsetPolicy> subsets;  // nullptr: it is not divided
  bool ignore_unchecked = false;                // endpoints do not count until their first active check
  bool fail_on_panic = false;                   // no traffic at all in place of traffic to everybody
  bool override_unhealthy = false, override_draining = false, override_degraded = true;  // whom an override may name
  Http http = Http::Http1;
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds idle_timeout{3'600'000};     // of connections; 0: none
  bool http1_trailers = false;                           // passed on, both ways
  std::optional<http::h1::Spelling> spelling;            // of requests over HTTP/1; or of responses, for who asked
  uint32_t max_requests_per_connection = 0;              // 0: any number
  std::chrono::milliseconds max_connection_duration{0};  // 0: any
  uint32_t http2_streams = 1024;                         // at a time on one connection, where the peer allows them
  Http2Options http2;
  uint32_t max_response_headers = 100;  // fields
  size_t max_response_header_bytes = 60 * 1024;
  double panic_percent = 50;
  CircuitBreaker breaker[2];  // default, high priority
  std::optional<OutlierPolicy> outlier;
  std::vector<HealthCheck> checks;
  bool keep_until_check_fails = true;  // an endpoint that is gone and still passes its checks stays
  bool close_on_health_failure = false, close_on_host_change = false;
  net::Address source;
  bool freebind = false;
  uint32_t buffer_limit = 0;  // bytes that a connection holds before its other side pauses; 0: as usual here
  bool keepalive = false;     // TCP's; 0: the system's numbers
  uint32_t keepalive_probes = 0, keepalive_time = 0, keepalive_interval = 0;  // seconds
  Transport transport;
  std::vector<TransportChoice> transport_choices;  // the first that fits an endpoint, before `transport`
  std::string original_host_header;                // ORIGINAL_DST: this header counts; empty: none does
  uint16_t original_port = 0;                      // ORIGINAL_DST: this port in place of the original one
  std::string endpoints_name;                      // EDS
  std::shared_ptr<const EndpointSet> endpoints;    // Static
  std::vector<DnsName> dns_names;
  std::shared_ptr<const EndpointSet> dns_set;  // their localities and policy, no endpoints
  std::chrono::milliseconds dns_refresh{5'000}, dns_jitter{0};
  std::chrono::milliseconds dns_failure_base{0}, dns_failure_max{0};  // 0: as dns_refresh
  bool dns_ttl = false;  // an answer's time to live, in place of dns_refresh
  bool dns_tcp = false;
  std::vector<net::Address> dns_servers;  // in place of the system's
  bool dns_servers_are_fallback = false;
  enum class Family : uint8_t { Auto, V4, V6, V4Preferred, All } dns_family = Family::Auto;

  std::string service_host, service_name, service_namespace;  // whom it stands for, in metrics
  std::string origin;                                         // the DestinationRule
  std::shared_ptr<const Metadata> about;                      // its metadata, for logs

  std::shared_ptr<ClusterShared> shared;  // with other workers; none: this worker is alone

  const Transport& transport_for(const Endpoint& endpoint) const;
  const Transport& transport_for(const std::vector<std::pair<std::string, std::string>>& labels) const;
  bool ejects_or_checks() const { return outlier || !checks.empty(); }
};

}  // namespace proxy
