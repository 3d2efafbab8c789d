// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "net/tls.h"
#include "proxy/runtime/compile.h"
#include "proxy/runtime/validation.h"

namespace proxy {
namespace {

namespace tls = envoy::extensions::transport_sockets::tls::v3;

// What two Seine proxies speak to each other: HTTP/2 whatever the application speaks.
constexpr std::string_view kSeineProtocol = "seine/1";

base::Result<std::string> secret_of(const tls::SdsSecretConfig& from, Slots& slots) {
  if (from.has_sds_config()) TRY(slots.set_source(Kind::Secret, from.name(), from.sds_config()));
  return from.name();
}

// BoringSSL's words, in which Envoy takes them, in OpenSSL's: "[A|B]" is a group of equals, here in that order.
base::Result<void> add_parameters(const tls::TlsParameters& from, TlsSpec& out) {
  using Parameters = tls::TlsParameters;
  const auto least = from.tls_minimum_protocol_version(), most = from.tls_maximum_protocol_version();
  if (most == Parameters::TLSv1_0 || most == Parameters::TLSv1_1)
    return base::fail(base::ErrorKind::Invalid, "tls_maximum_protocol_version: TLS below 1.2 is not spoken");
  out.tls13_only = least == Parameters::TLSv1_3;
  out.tls12_only = most == Parameters::TLSv1_2;
  if (out.tls13_only && out.tls12_only)
    return base::fail(base::ErrorKind::Invalid, "tls_maximum_protocol_version is below the minimum");
  auto add = [](std::string& list, std::string_view word) { (list += list.empty() ? "" : ":") += word; };
  for (std::string words : from.cipher_suites()) {
    std::erase_if(words, [](char c) { return c == '[' || c == ']'; });
    for (std::string_view word : base::split(words, '|')) add(out.ciphers, word);
  }
  for (const std::string& word : from.ecdh_curves()) add(out.groups, word);
  if (auto fine = net::check_algorithms(out.ciphers, out.groups); !fine)
    return base::fail(base::ErrorKind::Invalid, "tls_params: " + fine.error().message);
  return {};
}

base::Result<TlsSpec> common_spec(const tls::CommonTlsContext& from, Slots& slots) {
  TlsSpec spec;
  if (from.tls_certificates_size() + from.tls_certificate_sds_secret_configs_size() > 1)
    return base::fail(base::ErrorKind::Invalid, "a TLS context of more than one certificate is not known");
  if (from.tls_certificate_sds_secret_configs_size()) {
    spec.certificate_secret = TRY(secret_of(from.tls_certificate_sds_secret_configs(0), slots));
  } else if (from.tls_certificates_size()) {
    TRY(compile(from.tls_certificates(0), spec.certificate_chain, spec.private_key));
  }
  tls::CertificateValidationContext validation;
  switch (from.validation_context_type_case()) {
    case tls::CommonTlsContext::kValidationContext:
      validation = from.validation_context();
      break;
    case tls::CommonTlsContext::kValidationContextSdsSecretConfig:
      spec.validation_secret = TRY(secret_of(from.validation_context_sds_secret_config(), slots));
      break;
    case tls::CommonTlsContext::kCombinedValidationContext:
      validation = from.combined_validation_context().default_validation_context();
      spec.validation_secret =
          TRY(secret_of(from.combined_validation_context().validation_context_sds_secret_config(), slots));
      break;
    default:
      break;
  }
  validation = TRY(with_contents(std::move(validation)));
  net::TlsSettings tried;
  TRY(compile(validation, tried));
  tried.certificate_chain = spec.certificate_chain;
  tried.private_key = spec.private_key;
  TRY(net::TlsContext::client(tried));
  validation.SerializeToString(&spec.validation);
  TRY(add_parameters(from.tls_params(), spec));
  spec.alpn.assign(from.alpn_protocols().begin(), from.alpn_protocols().end());
  return spec;
}

// What comes with a secret is looked at once that is there.
base::Result<void> check_whole(const TlsSpec& spec) {
  if (!spec.validation_secret.empty()) return {};
  return check_whole(default_validation(spec), spec);
}

bool lists(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

base::Result<std::vector<std::string>> compile(const tls::TlsSessionTicketKeys& from) {
  if (from.keys().empty()) return base::fail(base::ErrorKind::Invalid, "session_ticket_keys without a key");
  std::vector<std::string> out;
  for (const core::DataSource& key : from.keys()) out.push_back(TRY(compile(key)));
  TRY(net::check_ticket_keys(out));
  return out;
}

base::Result<Transport> Compiler::upstream_transport(const core::TransportSocket& from, Cluster::Http http) const {
  Transport out;
  std::string type = type_of(from.typed_config());
  if (type == "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer") return out;
  if (type != "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext")
    return no_implementation(from.name(), from.typed_config());
  auto context = TRY(unpack<tls::UpstreamTlsContext>(from.typed_config()));
  TlsSpec spec = TRY(common_spec(context.common_tls_context(), slots));
  out.sni = context.sni();
  out.sni_from_endpoint = context.auto_host_sni();
  out.check_host = spec.names_by_sni = context.auto_sni_san_validation();
  out.istio_alpn = lists(spec.alpn, "istio");
  if (context.allow_renegotiation())
    return base::fail(base::ErrorKind::Invalid, "allow_renegotiation does not act in this proxy");
  if (out.istio_alpn) {
    out.tls_tcp = slots.tls(spec);  // as written: "istio-peer-exchange", "istio"
    // What Istio's istio.alpn filter puts in place of the cluster's list, request by request.
    spec.alpn = http == Cluster::Http::Http2 ? std::vector<std::string>{"istio-h2", "istio", "h2"}
                                             : std::vector<std::string>{"istio-http/1.1", "istio", "http/1.1"};
    out.tls_exclusive = slots.tls(spec);
    spec.alpn.insert(spec.alpn.begin(), std::string(kSeineProtocol));
  } else if (spec.alpn.empty() || http == Cluster::Http::ByAlpn) {
    // As in Envoy: what is not said is offered by the protocol, and "auto" asks for it.
    out.tls_tcp = slots.tls(spec);
    spec.alpn = {"http/1.1"};
    out.tls_exclusive = slots.tls(spec);
    if (http == Cluster::Http::AsDownstream) out.tls_http1 = out.tls_exclusive;
    if (http == Cluster::Http::Http2 || http == Cluster::Http::AsDownstream) spec.alpn = {"h2"};
    if (http == Cluster::Http::ByAlpn) spec.alpn = {"h2", "http/1.1"};
  }
  TRY(check_whole(spec));
  out.tls = slots.tls(std::move(spec));
  return out;
}

base::Result<Transport> Compiler::downstream_transport(const core::TransportSocket& from, bool http) const {
  Transport out;
  std::string type = type_of(from.typed_config());
  if (type == "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer") return out;
  if (type != "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext")
    return no_implementation(from.name(), from.typed_config());
  auto context = TRY(unpack<tls::DownstreamTlsContext>(from.typed_config()));
  TlsSpec spec = TRY(common_spec(context.common_tls_context(), slots));
  spec.server = true;
  spec.require_client_certificate = context.require_client_certificate().value();
  spec.require_server_name = context.require_sni().value();
  spec.resumes = !context.disable_stateful_session_resumption();
  if (context.has_session_timeout()) spec.session_seconds = context.session_timeout().seconds();
  if (context.has_session_ticket_keys()) spec.ticket_keys = TRY(compile(context.session_ticket_keys()));
  if (context.has_session_ticket_keys_sds_secret_config())
    spec.ticket_keys_secret = TRY(secret_of(context.session_ticket_keys_sds_secret_config(), slots));
  if (spec.certificate_secret.empty() && spec.certificate_chain.empty())
    return base::fail(base::ErrorKind::Invalid, "No TLS certificates found for server context");
  TRY(check_whole(spec));
  if (http && spec.require_client_certificate) spec.alpn.insert(spec.alpn.begin(), std::string(kSeineProtocol));
  out.tls = slots.tls(std::move(spec));
  return out;
}

}  // namespace proxy
