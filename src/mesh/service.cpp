// SPDX-License-Identifier: Apache-2.0
#include "mesh/service.h"

#include "base/strings.h"

namespace mesh {
namespace {

struct Spelling {
  std::string_view text;
  Protocol protocol;
};

// grpc-web stands before grpc: a port name's prefix ends at the first '-'.
constexpr Spelling kSpellings[] = {
    {"grpc-web", Protocol::GrpcWeb}, {"grpc", Protocol::Grpc},
    {"http", Protocol::Http},        {"http_proxy", Protocol::HttpProxy},
    {"http2", Protocol::Http2},      {"https", Protocol::Https},
    {"tcp", Protocol::Tcp},          {"tls", Protocol::Tls},
    {"udp", Protocol::Udp},          {"mongo", Protocol::Mongo},
    {"mysql", Protocol::MySql},      {"redis", Protocol::Redis},
    {"hbone", Protocol::Hbone},
};

// Servers that speak first, so waiting for the client's bytes would hang.
bool never_sniffed(int port) { return port == 25 || port == 53 || port == 3306 || port == 27017; }

Protocol spelled(std::string_view lower, Protocol otherwise) {
  for (const Spelling& spelling : kSpellings)
    if (lower == spelling.text) return spelling.protocol;
  return otherwise;
}

}  // namespace

Protocol protocol_named(std::string_view text) { return spelled(base::to_lower(text), Protocol::Auto); }

Protocol protocol_of(std::string_view port_name, std::string_view app_protocol, int port, std::string_view transport) {
  if (transport == "UDP" || transport == "SCTP") return Protocol::Udp;  // not carried, either of them
  if (!app_protocol.empty()) {
    std::string lower = base::to_lower(app_protocol);
    if (lower == "kubernetes.io/h2c") return Protocol::Http2;
    if (lower == "kubernetes.io/ws") return Protocol::Http;
    if (lower == "kubernetes.io/wss") return Protocol::Https;
    if (Protocol known = spelled(lower, Protocol::Auto); known != Protocol::Auto) return known;
  }
  std::string lower = base::to_lower(port_name);
  if (lower == "grpc-web" || lower.starts_with("grpc-web-")) return Protocol::GrpcWeb;
  std::string_view prefix = std::string_view(lower).substr(0, lower.find('-'));
  if (Protocol known = spelled(prefix, Protocol::Auto); known != Protocol::Auto) return known;
  return never_sniffed(port) ? Protocol::Tcp : Protocol::Auto;
}

bool is_http(Protocol protocol) {
  return protocol == Protocol::Http || protocol == Protocol::HttpProxy || is_http2(protocol);
}

bool is_http2(Protocol protocol) {
  return protocol == Protocol::Http2 || protocol == Protocol::Grpc || protocol == Protocol::GrpcWeb;
}

bool is_tls(Protocol protocol) { return protocol == Protocol::Https || protocol == Protocol::Tls; }

std::string_view name(Protocol protocol) {
  switch (protocol) {
    case Protocol::Tcp:
      return "TCP";
    case Protocol::Udp:
      return "UDP";
    case Protocol::Http:
      return "HTTP";
    case Protocol::Http2:
      return "HTTP2";
    case Protocol::Grpc:
      return "GRPC";
    case Protocol::GrpcWeb:
      return "GRPC-Web";
    case Protocol::Https:
      return "HTTPS";
    case Protocol::Tls:
      return "TLS";
    case Protocol::Mongo:
      return "Mongo";
    case Protocol::MySql:
      return "MySQL";
    case Protocol::Redis:
      return "Redis";
    case Protocol::HttpProxy:
      return "HTTP_PROXY";
    case Protocol::Hbone:
      return "HBONE";
    case Protocol::Auto:
      return "UnsupportedProtocol";
  }
  return "";
}

const Port* Service::port(int number) const {
  for (const Port& port : ports)
    if (port.number == number) return &port;
  return nullptr;
}

const Port* Service::port_named(std::string_view name) const {
  for (const Port& port : ports)
    if (port.name == name) return &port;
  return nullptr;
}

std::string canonical_name(const Workload& workload) {
  for (std::string_view key : {"service.istio.io/canonical-name", "app.kubernetes.io/name", "app"})
    if (auto found = workload.labels.find(key); found != workload.labels.end()) return found->second;
  return workload.workload_name.empty() ? workload.name : workload.workload_name;
}

std::string canonical_revision(const Workload& workload) {
  for (std::string_view key : {"service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"})
    if (auto found = workload.labels.find(key); found != workload.labels.end()) return found->second;
  return "";
}

std::string spiffe_id(std::string_view trust_domain, std::string_view ns, std::string_view service_account) {
  std::string id = "spiffe://";
  id.append(trust_domain).append("/ns/").append(ns).append("/sa/").append(service_account);
  return id;
}

}  // namespace mesh
