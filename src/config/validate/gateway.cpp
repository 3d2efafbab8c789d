// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "base/strings.h"
#include "config/validate/report.h"

namespace config {
namespace {

namespace api = networking;

constexpr std::string_view kProtocols[] = {"HTTP", "HTTPS", "GRPC", "HTTP2", "MONGO", "TCP", "TLS", "GRPC-WEB"};

constexpr std::string_view kCipherSuites[] = {"ECDHE-ECDSA-AES256-GCM-SHA384",
                                              "ECDHE-RSA-AES256-GCM-SHA384",
                                              "ECDHE-ECDSA-AES128-GCM-SHA256",
                                              "ECDHE-RSA-AES128-GCM-SHA256",
                                              "AES256-GCM-SHA384",
                                              "AES128-GCM-SHA256",
                                              "ECDHE-ECDSA-CHACHA20-POLY1305",
                                              "ECDHE-RSA-CHACHA20-POLY1305",
                                              "ECDHE-ECDSA-AES128-SHA",
                                              "ECDHE-RSA-AES128-SHA",
                                              "ECDHE-ECDSA-AES256-SHA",
                                              "ECDHE-RSA-AES256-SHA",
                                              "AES128-SHA",
                                              "AES256-SHA"};

void check_server_port(Report& report, const Path& path, const api::Server& server) {
  if (!server.has_port()) {
    report.error("SN0160", path, "port is required");
    return;
  }
  check_port(report, path / "number", server.port().number());
  if (server.port().name().empty())
    report.error("SN0160", path / "name", "name must be set: " + std::to_string(server.port().number()));
  const std::string& protocol = server.port().protocol();
  auto same = [&](std::string_view known) { return base::equal_ignoring_case(known, protocol); };
  if (protocol.empty())
    report.error("SN0160", path / "protocol", "protocol must be set");
  else if (std::ranges::none_of(kProtocols, same))
    report.error("SN0160", path / "protocol",
                 "invalid protocol " + in_quotes(protocol) + ", it is one of " + base::join(kProtocols, ", "));
}

void check_server_hosts(Report& report, const Path& path, const api::Server& server) {
  if (server.hosts().empty()) report.error("SN0161", path, "server config must contain at least one host");
  for (int i = 0; i < server.hosts_size(); ++i) {
    const std::string& host = server.hosts(i);
    auto parts = base::cut(host, '/');
    if (parts && parts->first.empty())
      report.error("SN0161", path[i], "server host namespace must not be empty: " + in_quotes(host));
    check_domain(report, path[i], parts ? parts->second : std::string_view(host));
  }
}

void check_files(Report& report, const Path& path, const api::ServerTLSSettings& tls, std::string_view mode) {
  if (tls.server_certificate().empty())
    report.error("SN0162", path, std::string(mode) + " TLS requires a server certificate",
                 "credentialName, or serverCertificate and privateKey");
  if (tls.private_key().empty()) report.error("SN0162", path, std::string(mode) + " TLS requires a private key");
}

// SHA-256 in hex, with or without colons, of a certificate; in base64 of its public key.
void check_pins(Report& report, const Path& path, const api::ServerTLSSettings& tls) {
  for (std::string pin : tls.verify_certificate_hash()) {
    const std::string written = pin;
    if (pin.size() == 95) std::erase(pin, ':');
    if (pin.size() != 64 || !std::ranges::all_of(pin, [](unsigned char c) { return isxdigit(c) != 0; }))
      report.error("SN0162", path / "verifyCertificateHash", in_quotes(written) + " is not a SHA-256 in hex");
  }
  for (const std::string& pin : tls.verify_certificate_spki())
    if (auto bytes = base::from_base64(pin); !bytes || bytes->size() != 32)
      report.error("SN0162", path / "verifyCertificateSpki", in_quotes(pin) + " is not a SHA-256 in base64");
}

void check_tls(Report& report, const Path& path, const api::ServerTLSSettings& tls) {
  using Tls = api::ServerTLSSettings;
  bool has_credential = !tls.credential_name().empty();
  switch (tls.mode()) {
    case Tls::SIMPLE:
      if (!has_credential && !tls.https_redirect()) check_files(report, path, tls, "SIMPLE");
      break;
    case Tls::MUTUAL:
    case Tls::OPTIONAL_MUTUAL:
      if (has_credential) break;
      check_files(report, path, tls, "MUTUAL");
      if (tls.ca_certificates().empty())
        report.error("SN0162", path / "caCertificates", "MUTUAL TLS requires a client CA bundle");
      break;
    case Tls::ISTIO_MUTUAL:
      if (has_credential || !tls.server_certificate().empty() || !tls.private_key().empty())
        report.error("SN0162", path, "ISTIO_MUTUAL TLS cannot have associated credentials");
      break;
    case Tls::AUTO_PASSTHROUGH:
      report.not_acting(path / "mode", "AUTO_PASSTHROUGH");
      break;
    default:
      break;
  }
  if (tls.max_protocol_version() == Tls::TLSV1_0 || tls.max_protocol_version() == Tls::TLSV1_1)
    report.error("SN0162", path / "maxProtocolVersion", "TLS below 1.2 is not spoken", "TLSV1_2 or TLSV1_3");
  for (const std::string& suite : tls.cipher_suites())
    if (!is_cipher_suite(suite))
      report.warn("SN0164", path / "cipherSuites", in_quotes(suite) + " is not known and is passed over",
                  "one of " + base::join(kCipherSuites, ", "));
  check_pins(report, path, tls);
  if (tls.max_protocol_version() != Tls::TLS_AUTO && tls.min_protocol_version() > tls.max_protocol_version())
    report.error("SN0162", path, "TLS min protocol version is higher than the max");
}

void check_server_tls(Report& report, const Path& path, const api::Server& server) {
  std::string protocol = base::to_lower(server.port().protocol());
  bool secure = protocol == "https" || protocol == "tls";
  if (secure && !server.has_tls())
    report.error("SN0162", path, "server must have TLS settings for HTTPS/TLS protocols");
  if (!server.has_tls()) return;
  bool http = protocol == "http" || protocol == "http2" || protocol == "grpc" || protocol == "grpc-web";
  if (!secure && server.tls().mode() != api::ServerTLSSettings::PASSTHROUGH)
    report.error("SN0162", path, "server cannot have TLS settings for non HTTPS/TLS ports");
  if (server.tls().https_redirect() && !http)
    report.error("SN0162", path / "httpsRedirect", "tls.httpsRedirect should only be used with http servers");
  if (secure) check_tls(report, path, server.tls());
}

}  // namespace

bool is_cipher_suite(std::string_view name) {
  return std::ranges::find(kCipherSuites, name) != std::end(kCipherSuites);
}

void check(Report& report, const Gateway& config) {
  const Path path("spec");
  if (config.spec.servers().empty()) report.error("SN0163", path / "servers", "gateway must have at least one server");
  std::set<std::string> names;
  for (int i = 0; i < config.spec.servers_size(); ++i) {
    const auto& server = config.spec.servers(i);
    Path at = (path / "servers")[i];
    check_server_port(report, at / "port", server);
    check_server_hosts(report, at / "hosts", server);
    check_server_tls(report, at / "tls", server);
    if (!server.bind().empty() && !is_address(server.bind()))
      report.error("SN0163", at / "bind", in_quotes(server.bind()) + " is not a valid IP address");
    if (!server.port().name().empty() && !names.insert(server.port().name()).second)
      report.error("SN0163", at / "port" / "name",
                   "port names in servers must be unique: duplicate name " + server.port().name());
    if (!server.default_endpoint().empty()) report.not_acting(at / "defaultEndpoint", "defaultEndpoint");
  }
}

}  // namespace config
