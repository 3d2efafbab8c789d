// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/address.h"
#include "proxy/access/access_log.h"
#include "proxy/access/local_reply.h"
#include "proxy/filter/filter.h"
#include "proxy/upstream/cluster_config.h"

namespace proxy {

struct AddressRange {
  net::Address prefix;
  uint8_t bits = 0;
  bool contains(const net::Address& address) const;
  static base::Result<AddressRange> parse(std::string_view ip, uint32_t bits);
};

// An HTTP connection manager, compiled.
struct HttpConfig {
  enum class Codec : uint8_t { Auto, Http1, Http2 };
  enum class ServerHeader : uint8_t { Overwrite, AppendIfAbsent, PassThrough };
  enum class ClientCert : uint8_t { Sanitize, ForwardOnly, AppendForward, SanitizeSet, AlwaysForwardOnly };
  enum class EscapedSlashes : uint8_t { Keep, Reject, Redirect, Forward };

  std::string stat_prefix;
  Codec codec = Codec::Auto;
  std::shared_ptr<const RouteTable> own_routes;
  Slot routes = kNone;  // where they are not its own
  std::string server_name = "envoy";
  ServerHeader server_header = ServerHeader::Overwrite;
  std::string via;
  bool use_remote_address = false;
  uint32_t trusted_hops = 0;                  // of x-forwarded-for, by its own detection extension too
  std::vector<AddressRange> trusted_proxies;  // xff_trusted_cidrs
  bool skip_forwarded_append = false;
  bool appends_to_detected = false;  // likewise, where an extension finds the client
  bool append_forwarded_port = false;
  std::string address_header;              // custom_header: the client's address is in there
  bool address_header_is_trusted = false;  // what it says may be internal
  bool refuse_without_address = false;     // a request without it is refused
  int refuse_status = 403;
  std::vector<AddressRange> internal;  // internal_address_config; none: nobody is internal
  bool unix_is_internal = false;
  std::string scheme;  // in place of the request's; empty: it stays
  bool scheme_of_upstream = false;
  std::shared_ptr<const LocalReply> local_reply;
  std::optional<ProxyStatus> proxy_status;
  std::vector<UpgradeChoice> upgrades;
  bool allow_connect = false;  // extended CONNECT, over HTTP/2
  bool normalize_path = false;
  bool merge_slashes = false;
  EscapedSlashes escaped_slashes = EscapedSlashes::Keep;
  bool strip_matching_port = false, strip_any_port = false, strip_trailing_dot = false;
  bool request_ids = true;
  bool keep_external_request_id = false;
  bool request_id_in_response = false;
  bool reject_underscores = false, drop_underscores = false;
  bool accept_http10 = false;
  bool allow_absolute_url = true;              // over HTTP/1.1
  std::string default_host;                    // of HTTP/1.0 requests that name none; empty: they are refused
  bool http1_trailers = false;                 // passed on, both ways
  std::optional<http::h1::Spelling> spelling;  // of responses over HTTP/1; or of requests, for where they go
  bool forward_100_continue = false;
  ClientCert client_cert = ClientCert::Sanitize;
  bool cert_subject = false, cert_pem = false, cert_dns = false, cert_uri = false;
  size_t max_header_bytes = 60 * 1024;
  uint32_t max_headers = 100;
  uint32_t http2_streams = 100;
  Http2Options http2;
  std::chrono::milliseconds idle_timeout{3'600'000};       // of the connection
  std::chrono::milliseconds stream_idle_timeout{300'000};  // 0: none
  std::chrono::milliseconds request_timeout{0};
  std::chrono::milliseconds max_stream_duration{0};  // 0: none
  std::chrono::milliseconds headers_timeout{10'000};
  std::chrono::milliseconds max_connection_duration{0};    // 0: any
  bool spare_idle_http1 = false;                           // when that is over: only a response says so
  uint32_t max_requests = 0;                               // of one connection; 0: any number
  std::chrono::milliseconds delayed_close{1'000};          // for the peer's end, before a hard close; 0: at once
  std::optional<std::chrono::milliseconds> drain_timeout;  // between the two GOAWAY; none: when the peer saw the first
  std::vector<std::shared_ptr<const Filter>> filters;      // in order, without the router
  bool suppress_envoy_headers = false;
  bool add_user_agent = false;  // the node's cluster, where the client says none
  bool tells_overload = false;  // a response that overload made says so in a header
  std::vector<std::shared_ptr<const AccessLog>> access_logs;
};

// How a TCP proxy carries bytes in HTTP requests (tunneling_config).
struct TcpTunnel {
  telemetry::Format host;  // of the CONNECT: "service:443"
  HeaderMutation headers;
  bool post = false;                                   // POST in place of CONNECT
  std::string path;                                    // of the POST
  bool keeps_headers = false, keeps_trailers = false;  // of the answer, for logs
  HttpConfig requests;                                 // what is made of them: a route to the TCP proxy's clusters
};

// A TCP proxy, compiled.
struct TcpConfig {
  std::string stat_prefix;
  std::vector<WeightedTarget> targets;
  uint32_t total_weight = 1;
  std::chrono::milliseconds idle_timeout{3'600'000};  // without a byte either way; 0: none
  std::chrono::milliseconds max_duration{0};          // of the downstream connection; 0: none
  double max_duration_jitter = 0;                     // up to so many percent more, each time another share
  uint32_t connect_attempts = 1;
  bool hash_source_ip = false;                // hash_policy: the downstream's address chooses the endpoint
  std::chrono::milliseconds log_interval{0};  // a line so often while it lasts; 0: none
  bool log_on_connected = false;              // and one once the upstream connection stands
  std::vector<std::shared_ptr<const AccessLog>> access_logs;
  std::shared_ptr<const TcpTunnel> tunnel;  // nullptr: bytes go as they are
};

struct FilterChainMatch {
  enum class Source : uint8_t { Any, SameIpOrLoopback, External };
  uint16_t destination_port = 0;  // 0: any
  std::vector<AddressRange> destinations;
  std::vector<std::string> server_names;  // lower case; "*.x" too
  std::string transport;                  // "tls", "raw_buffer"; empty: any
  std::vector<std::string> protocols;
  std::vector<AddressRange> direct_sources, sources;
  std::vector<uint16_t> source_ports;
  Source source = Source::Any;
};

// One way of treating a connection: how it is encrypted, and what speaks on it.
struct FilterChain {
  std::string name;
  FilterChainMatch match;
  Transport transport;
  std::chrono::milliseconds transport_timeout{0};
  std::vector<std::shared_ptr<const NetworkFilter>> filters;  // before the last one
  std::shared_ptr<const HttpConfig> http;                     // one of the two
  std::shared_ptr<const TcpConfig> tcp;
  bool cluster_by_server_name = false;  // sni_cluster: in place of the TCP proxy's clusters, where the peer named one
  uint64_t hash = 0;                    // of the resource: an equal one is the same chain, whose connections stay
};

// What is known of a connection when its filter chain is chosen.
struct Arrival {
  net::Address local;   // the original destination
  net::Address remote;  // the peer, or for whom it says it connects (PROXY protocol)
  net::Address direct;  // the peer itself
  std::string_view server_name;
  std::string_view transport = "raw_buffer";
  std::vector<std::string_view> protocols;  // ALPN, or what the bytes look like
};

struct SocketOption {
  enum class When : uint8_t { BeforeBind, Bound, Listening };
  int level = 0, name = 0;
  std::string value;  // as setsockopt takes it
  When when = When::BeforeBind;
  bool operator==(const SocketOption&) const = default;
};

// How the sockets of one address are opened.
struct SocketSpec {
  net::Address address;
  bool ipv4_too = false;  // an IPv6 socket: takes IPv4 as well
  uint32_t mode = 0;      // of a Unix socket's file; 0: by umask
  int backlog = 4096;
  int fast_open = 0;  // length of the queue; 0: off
  bool transparent = false, freebind = false, multipath = false;
  bool reuse_port = true;  // a socket for each worker; otherwise they share one
  std::vector<SocketOption> options;
  bool operator==(const SocketSpec&) const = default;
};

// How many downstream connections there are in the process, and may be. One
// for each limit that is configured; counted by all workers.
struct ConnectionLimit {
  std::atomic<uint64_t> limit{UINT64_MAX};
  std::atomic<uint64_t> now{0};
  std::atomic<uint64_t> refused{0};
};

// What a listener asks of a PROXY header (listener/proxy_header.h).
struct ProxyHeaderPolicy {
  bool optional = false;  // a connection without one is taken as it is
  bool v1 = true, v2 = true;
};

// A Listener, compiled.
struct Listener {
  struct Inspector {
    bool on = false;
    std::vector<std::pair<uint32_t, uint32_t>> off_ports;  // [first, second)
    bool runs_for(uint16_t port) const;
  };
  std::string name;
  std::string stat_name;  // "127.0.0.1_8080", or stat_prefix
  std::vector<net::Address> addresses;
  std::vector<SocketSpec> sockets;  // of each address
  bool bind = true;
  bool hand_over = false;             // use_original_dst: to the listener of the original destination
  bool original_destination = false;  // listener filter
  Inspector tls_inspector, http_inspector;
  size_t hello_limit = 64 * 1024;  // a ClientHello that is longer is none
  std::optional<ProxyHeaderPolicy> proxy_protocol;
  std::chrono::milliseconds inspect_timeout{15'000};  // 0: none
  bool continue_on_timeout = false;
  bool inbound = false;  // traffic_direction
  bool outbound = false;
  uint32_t accepts_at_once = 0;  // from one socket, before others get their turn; 0: as the loop likes
  bool ignore_global_limit = false, ignore_overload = false;
  std::shared_ptr<ConnectionLimit> limit;  // of this listener; nullptr: none
  uint32_t buffer_limit = 0;               // per_connection_buffer_limit_bytes, soft; 0: not said
  std::vector<std::shared_ptr<const FilterChain>> chains;
  std::shared_ptr<const FilterChain> default_chain;
  std::vector<std::shared_ptr<const AccessLog>> access_logs;
  std::vector<Slot> route_tables;  // that must be there before it serves
  std::vector<Slot> tls;           // likewise
  uint64_t hash = 0;               // of the resource: another one means another listener

  // As Envoy: at each step the most specific criterion that fits keeps its
  // chains and drops the others, without going back. Steps: destination port,
  // destination address, server name, transport, application protocols, direct
  // source, kind of source, source address, source port. None: nullptr.
  const FilterChain* chain_for(const Arrival& arrival) const;
};

}  // namespace proxy
