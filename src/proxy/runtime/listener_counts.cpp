// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/listener_counts.h"

#include <cstring>

namespace proxy {

using telemetry::StatName;

static void count(std::vector<std::pair<const char*, uint64_t>>& list, const char* what) {
  if (!*what) return;
  for (auto& [known, number] : list)
    if (known == what || std::strcmp(known, what) == 0) return void(++number);
  list.emplace_back(what, 1);
}

void TlsCounts::handshake(const net::TlsPeer& peer) {
  ++handshakes;
  if (peer.certificate_der.empty()) ++no_certificate;
  if (peer.resumed) ++resumed;
  count(versions, peer.version);
  count(ciphers, peer.cipher);
  count(groups, peer.group);
}

void TlsCounts::failed(net::TlsFailure what) {
  switch (what) {
    case net::TlsFailure::None:
      return;
    case net::TlsFailure::NoCertificate:
      return void(++missing_certificates);
    case net::TlsFailure::Chain:
      return void(++chain_failures);
    case net::TlsFailure::Hash:
      return void(++hash_failures);
    case net::TlsFailure::Name:
      return void(++san_failures);
    case net::TlsFailure::Other:
      return void(++errors);
  }
}

void TlsCounts::collect(telemetry::Scrape& scrape, const std::string& scope, std::string_view whose) const {
  auto counter = [&](const char* name, uint64_t value) {
    scrape.counter(StatName(scope + "ssl." + name, {whose}), value);
  };
  counter("handshake", handshakes);
  counter("connection_error", errors);
  counter("fail_verify_no_cert", missing_certificates);
  counter("fail_verify_error", chain_failures);
  counter("fail_verify_cert_hash", hash_failures);
  counter("fail_verify_san", san_failures);
  counter("no_certificate", no_certificate);
  counter("session_reused", resumed);
  auto each = [&](const std::string& name, const auto& list) {
    for (const auto& [what, number] : list) scrape.counter(StatName(scope + "ssl." + name, {whose, what}), number);
  };
  each("versions.{envoy_ssl_version}", versions);
  each("ciphers.{envoy_ssl_cipher}", ciphers);
  each("curves.{envoy_ssl_curve}", groups);
}

void ListenerCounts::collect(telemetry::Scrape& scrape, const std::string& worker) const {
  const std::string scope = "listener.{envoy_listener_address}.";
  auto counter = [&](const char* name, uint64_t value) { scrape.counter(StatName(scope + name, {listener}), value); };
  const auto active = static_cast<double>(connections - ended);
  counter("downstream_cx_total", connections);
  counter("downstream_cx_destroy", ended);
  scrape.gauge(StatName(scope + "downstream_cx_active", {listener}), active);
  scrape.gauge(StatName(scope + "downstream_pre_cx_active", {listener}), waiting);
  counter("downstream_pre_cx_timeout", inspected_too_long);
  counter("downstream_cx_overflow", over_limit);
  counter("downstream_global_cx_overflow", over_global_limit);
  counter("downstream_cx_overload_reject", overload);
  counter("no_filter_chain_match", no_chain);
  counter("proxy_proto.error", header_errors);
  scrape.histogram(StatName(scope + "downstream_cx_length_ms", {listener}), length);
  scrape.counter(StatName(scope + "worker_{envoy_worker_id}.downstream_cx_total", {listener, worker}), connections);
  scrape.gauge(StatName(scope + "worker_{envoy_worker_id}.downstream_cx_active", {listener, worker}), active);
  tls.collect(scrape, scope, listener);
}

void TcpCounts::collect(telemetry::Scrape& scrape) const {
  auto counter = [&](const std::string& name, uint64_t value) {
    scrape.counter(StatName("tcp.{envoy_tcp_prefix}." + name, {prefix}), value);
  };
  counter("downstream_cx_total", connections);
  counter("downstream_cx_no_route", no_route);
  counter("downstream_cx_rx_bytes_total", received);
  counter("downstream_cx_tx_bytes_total", sent);
  counter("idle_timeout", idle);
  counter("max_downstream_connection_duration", too_long);
}

}  // namespace proxy
