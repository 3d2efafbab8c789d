// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/byte_meter.h"

namespace telemetry {

// Why a response is what it is, in Envoy's two-letter words; several may apply.
enum class Flag : uint32_t {
  NoHealthyUpstream = 1u << 0,           // UH
  UpstreamConnectionFailure = 1u << 1,   // UF
  UpstreamOverflow = 1u << 2,            // UO
  NoRouteFound = 1u << 3,                // NR
  UpstreamRetryLimitExceeded = 1u << 4,  // URX
  NoClusterFound = 1u << 5,              // NC
  DurationTimeout = 1u << 6,             // DT
  DownstreamTermination = 1u << 7,       // DC
  LocalReset = 1u << 8,                  // LR
  UpstreamRemoteReset = 1u << 9,         // UR
  UpstreamTermination = 1u << 10,        // UC
  DelayInjected = 1u << 11,              // DI
  FaultInjected = 1u << 12,              // FI
  RateLimited = 1u << 13,                // RL
  UnauthorizedExternal = 1u << 14,       // UAEX
  UpstreamRequestTimeout = 1u << 15,     // UT
  StreamIdleTimeout = 1u << 16,          // SI
  DownstreamProtocolError = 1u << 17,    // DPE
  UpstreamProtocolError = 1u << 18,      // UPE
  UpstreamMaxStreamDuration = 1u << 19,  // UMSDR
  OverloadManager = 1u << 20,            // OM
  FailedLocalHealthCheck = 1u << 21,     // LH
  RateLimitServiceError = 1u << 22,      // RLSE
  DownstreamRemoteReset = 1u << 23,      // DR
};

enum class Protocol : uint8_t { Tcp, Http10, Http11, Http2 };

// "UF,URX", in the order of Envoy's list but for URX, which stands first for requests; "-" for none.
std::string flags_text(uint32_t flags, Protocol protocol = Protocol::Tcp);
// The same in Envoy's long words: "UpstreamConnectionFailure"; "-" for none.
std::string long_flags_text(uint32_t flags, Protocol protocol = Protocol::Tcp);
// The flag written so, or 0.
uint32_t flag_of(std::string_view word);

std::string_view name(Protocol protocol);  // "HTTP/1.1"; "-" for TCP

// Looks a header up in the message that a record is about.
enum class Message : uint8_t { Request, Response, Trailers };

// Moments of a request, in Envoy's words DS_RX_BEG and so on.
enum class Point : uint8_t {
  DownstreamRxBegin,
  DownstreamRxEnd,
  UpstreamTxBegin,
  UpstreamTxEnd,
  UpstreamRxBegin,
  UpstreamRxEnd,
  DownstreamTxBegin,
  DownstreamTxEnd,
};
inline constexpr size_t kPoints = 8;

// What is asked for too rarely to be noted of every request; looked up when a log wants it.
enum class Fact : uint8_t {
  PeerSubject,
  PeerIssuer,
  PeerSerial,
  PeerFingerprint,
  PeerCertificate,
  PeerNotBefore,
  PeerNotAfter,
  PeerDnsNames,
  PeerIpNames,
  PeerFingerprint1,
  LocalUri,
  LocalDnsNames,
  LocalIpNames,
  LocalSubject,
  TlsVersion,
  TlsCipher,
  TlsGroup,
  TlsSession,
  UpstreamPeerUri,
  UpstreamPeerDnsNames,
  UpstreamPeerIpNames,
  UpstreamPeerSubject,
  UpstreamPeerIssuer,
  UpstreamPeerCertificate,
  UpstreamPeerNotBefore,
  UpstreamPeerNotAfter,
  UpstreamPeerSerial,
  UpstreamPeerFingerprint,
  UpstreamPeerFingerprint1,
  UpstreamLocalUri,
  UpstreamLocalDnsNames,
  UpstreamLocalIpNames,
  UpstreamLocalSubject,
  UpstreamTlsVersion,
  UpstreamTlsCipher,
  UpstreamTlsGroup,
  UpstreamTlsSession,
  TunnelHeaders,  // of the answer that opened a TCP tunnel, or refused it; JSON
  TunnelTrailers,
  UpstreamHostName,
  UpstreamHostNameWithoutPort,
  DirectLocal,
  DirectLocalIp,
  DirectLocalPort,
  ListenerName,
  RequestId,
  TraceId,
  SpanId,
};

// Whether it is asked of the upstream connection's TLS.
constexpr bool is_of_upstream_tls(Fact fact) {
  return fact >= Fact::UpstreamPeerUri && fact <= Fact::UpstreamTlsSession;
}

// At which moment a line is written, as %ACCESS_LOG_TYPE% says it.
// Numbers as envoy.data.accesslog.v3.AccessLogType has them.
enum class LogType : uint8_t {
  NotSet = 0,
  TcpUpstreamConnected = 1,
  TcpPeriodic = 2,
  TcpConnectionEnd = 3,
  DownstreamEnd = 6
};
std::string_view name(LogType type);

// What gRPC makes of an HTTP status without one of its own.
int grpc_status_of_http(int status);

// Whose metadata: what filters noted of the request, or what the configuration says of the others.
enum class MetadataOf : uint8_t { Request, Route, VirtualHost, Cluster };

// One request, or one TCP connection, as access logs, header formats and
// metrics see it. Filled while it runs, by its stream, which owns what the
// views point to.
struct Record {
  using Find = std::optional<std::string_view> (*)(const void* source, Message message, std::string_view lower_name);
  using FindFact = std::string (*)(const void* source, Fact fact);
  // False: nothing of that path.
  using FindMetadata = bool (*)(const void* source, MetadataOf whose, std::string_view space,
                                std::span<const std::string> path, nlohmann::json& out);
  const void* source = nullptr;
  Find find = nullptr;
  FindFact find_fact = nullptr;
  FindMetadata find_metadata = nullptr;

  std::chrono::system_clock::time_point start;
  std::chrono::steady_clock::duration duration{};
  std::array<std::chrono::steady_clock::time_point, kPoints> at{};  // by Point; none: it did not come to that

  Protocol protocol = Protocol::Tcp;
  Protocol upstream_protocol = Protocol::Tcp;
  bool tls = false;  // downstream
  bool mutual_tls = false;
  bool health_check = false;  // answered as one
  bool grpc = false;
  LogType log_type = LogType::NotSet;
  uint16_t attempts = 0;
  int status = 0;
  uint32_t flags = 0;
  uint64_t bytes_received = 0;  // of the body; on the wire for TCP
  uint64_t bytes_sent = 0;
  base::ByteMeter downstream_wire, upstream_wire;  // the upstream's of the last try
  uint64_t request_headers_bytes = 0, response_headers_bytes = 0, response_trailers_bytes = 0;
  uint64_t connection_id = 0;

  std::string_view method, path, authority, scheme;
  std::string_view details;              // "via_upstream", "route_not_found"
  std::string_view termination_details;  // of the connection
  std::string_view transport_failure;    // of the upstream's connection
  std::string_view downstream_failure;   // of the downstream's: its TLS
  std::string_view route, virtual_host, cluster, filter_chain;
  std::string_view local_reply_body;  // while the proxy's own answer is made
  std::string_view origin;            // the object that made the route: "/apis/.../virtual-service/reviews"
  std::string_view server_name;       // SNI
  std::string_view upstream_host, upstream_local, downstream_local, downstream_remote;  // "10.0.0.1:80"
  std::string_view downstream_direct;  // the connection's other end, where downstream_remote was forwarded
  std::string_view peer_uri_san;

  void set(Flag flag) { flags |= static_cast<uint32_t>(flag); }
  bool has(Flag flag) const { return flags & static_cast<uint32_t>(flag); }
  void mark(Point point, std::chrono::steady_clock::time_point now) { at[static_cast<size_t>(point)] = now; }
  bool reached(Point point) const { return at[static_cast<size_t>(point)] != std::chrono::steady_clock::time_point{}; }
  std::string fact(Fact fact) const { return find_fact ? find_fact(source, fact) : std::string(); }
  bool metadata(MetadataOf whose, std::string_view space, std::span<const std::string> path,
                nlohmann::json& out) const {
    return find_metadata && find_metadata(source, whose, space, path, out);
  }
  std::optional<std::string_view> header(Message message, std::string_view lower_name) const {
    return find ? find(source, message, lower_name) : std::nullopt;
  }
};

}  // namespace telemetry
