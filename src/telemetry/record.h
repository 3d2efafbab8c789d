// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

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
};

// "UF,URX", in the order of Envoy's list; "-" for none.
std::string flags_text(uint32_t flags);
// The flag written so, or 0.
uint32_t flag_of(std::string_view word);

enum class Protocol : uint8_t { Tcp, Http10, Http11, Http2 };
std::string_view name(Protocol protocol);  // "HTTP/1.1"; "-" for TCP

// Looks a header up in the message that a record is about.
enum class Message : uint8_t { Request, Response, Trailers };

// One request, or one TCP connection, as access logs, header formats and
// metrics see it. Filled while it runs, by its stream, which owns what the
// views point to.
struct Record {
  using Find = std::optional<std::string_view> (*)(const void* source, Message message, std::string_view lower_name);
  // What filters found out about it (dynamic metadata); nullptr: nothing of that path.
  using FindMetadata = const nlohmann::json* (*)(const void* source, std::string_view space,
                                                 std::span<const std::string> path);
  const void* source = nullptr;
  Find find = nullptr;
  FindMetadata find_metadata = nullptr;

  std::chrono::system_clock::time_point start;
  std::chrono::steady_clock::duration duration{};
  std::chrono::steady_clock::duration until_upstream_headers{};  // of the request's whole way; 0: none came
  bool has_upstream_headers = false;

  Protocol protocol = Protocol::Tcp;
  bool tls = false;  // downstream
  bool mutual_tls = false;
  bool health_check = false;  // a load balancer asked whether we are there
  uint16_t attempts = 0;
  int status = 0;
  uint32_t flags = 0;
  uint64_t bytes_received = 0;  // of the body; on the wire for TCP
  uint64_t bytes_sent = 0;

  std::string_view method, path, authority, scheme;
  std::string_view details;              // "via_upstream", "route_not_found"
  std::string_view termination_details;  // of the connection
  std::string_view transport_failure;    // of the upstream's connection
  std::string_view route, virtual_host, cluster;
  std::string_view origin;       // the object that made the route: "/apis/.../virtual-service/reviews"
  std::string_view server_name;  // SNI
  std::string_view upstream_host, upstream_local, downstream_local, downstream_remote;  // "10.0.0.1:80"
  std::string_view peer_uri_san, peer_subject, local_uri_san;

  void set(Flag flag) { flags |= static_cast<uint32_t>(flag); }
  bool has(Flag flag) const { return flags & static_cast<uint32_t>(flag); }
  std::optional<std::string_view> header(Message message, std::string_view lower_name) const {
    return find ? find(source, message, lower_name) : std::nullopt;
  }
};

}  // namespace telemetry
