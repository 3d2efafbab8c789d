// SPDX-License-Identifier: Apache-2.0
#include "translate/tls.h"

#include "config/specs.h"
#include "envoy/config/core/v3/grpc_service.pb.h"
#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"

namespace translate {
namespace {

using tls_v3::TlsParameters;

constexpr const char* kCiphers[] = {
    "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",   "AES256-GCM-SHA384",           "AES128-GCM-SHA256"};

// Secrets of the mesh come from the agent beside the proxy.
void use_agent(tls_v3::SdsSecretConfig* secret, std::string_view name) {
  secret->set_name(std::string(name));
  auto* source = secret->mutable_sds_config();
  auto* api = source->mutable_api_config_source();
  api->set_api_type(core::ApiConfigSource::GRPC);
  api->set_transport_api_version(core::V3);
  api->add_grpc_services()->mutable_envoy_grpc()->set_cluster_name("sds-grpc");
  api->set_set_node_on_first_message_only(true);
  source->mutable_initial_fetch_timeout();
  source->set_resource_api_version(core::V3);
}

// Files of the gateway's own pod are its agent's secrets, so that what is wrong with them costs nobody else: a proxy
// refuses a listener whole that names a file which it cannot use. It goes on without what does not come.
void use_files(tls_v3::SdsSecretConfig* secret, std::string_view name) {
  use_agent(secret, name);
  secret->mutable_sds_config()->clear_initial_fetch_timeout();
}

// Secrets of gateways come from the control plane.
void use_control_plane(tls_v3::SdsSecretConfig* secret, const std::string& name) {
  secret->set_name(name);
  secret->mutable_sds_config()->mutable_ads();
  secret->mutable_sds_config()->set_resource_api_version(core::V3);
}

void mesh_versions(TlsParameters* params) {
  params->set_tls_minimum_protocol_version(TlsParameters::TLSv1_2);
  params->set_tls_maximum_protocol_version(TlsParameters::TLSv1_3);
}

tls_v3::CertificateValidationContext* mesh_credentials(tls_v3::CommonTlsContext* common) {
  use_agent(common->add_tls_certificate_sds_secret_configs(), "default");
  auto* combined = common->mutable_combined_validation_context();
  use_agent(combined->mutable_validation_context_sds_secret_config(), "ROOTCA");
  return combined->mutable_default_validation_context();
}

void pack_socket(core::TransportSocket* socket, const google::protobuf::Message& context) {
  socket->set_name("envoy.transport_sockets.tls");
  pack(context, socket->mutable_typed_config());
}

TlsParameters::TlsProtocol version_of(istio_api::ServerTLSSettings::TLSProtocol version) {
  switch (version) {
    case istio_api::ServerTLSSettings::TLSV1_0:
      return TlsParameters::TLSv1_0;
    case istio_api::ServerTLSSettings::TLSV1_1:
      return TlsParameters::TLSv1_1;
    case istio_api::ServerTLSSettings::TLSV1_2:
      return TlsParameters::TLSv1_2;
    case istio_api::ServerTLSSettings::TLSV1_3:
      return TlsParameters::TLSv1_3;
    default:
      return TlsParameters::TLS_AUTO;
  }
}

void match_names(tls_v3::CertificateValidationContext* context, const auto& names) {
  for (const std::string& name : names) context->add_match_subject_alt_names()->set_exact(name);
}

void pin(tls_v3::CertificateValidationContext* context, const istio_api::ServerTLSSettings& tls) {
  *context->mutable_verify_certificate_spki() = tls.verify_certificate_spki();
  *context->mutable_verify_certificate_hash() = tls.verify_certificate_hash();
}

void trust_mesh(tls_v3::CertificateValidationContext* context, const mesh::MeshConfig& mesh) {
  context->add_match_subject_alt_names()->set_prefix("spiffe://" + mesh.trust_domain + "/");
  for (const std::string& alias : mesh.trust_domain_aliases)
    context->add_match_subject_alt_names()->set_prefix("spiffe://" + alias + "/");
}

void server_alpn(tls_v3::CommonTlsContext* common, Layer layer) {
  if (layer == Layer::Tcp) common->add_alpn_protocols("istio-peer-exchange");
  common->add_alpn_protocols("h2");
  common->add_alpn_protocols("http/1.1");
}

// The server's certificate and, for MUTUAL, what client certificates are held to.
void gateway_credentials(tls_v3::CommonTlsContext* common, const istio_api::ServerTLSSettings& tls) {
  using Tls = istio_api::ServerTLSSettings;
  bool asks_client = tls.mode() == Tls::MUTUAL || tls.mode() == Tls::OPTIONAL_MUTUAL;
  if (!tls.credential_name().empty()) {
    std::string name = "kubernetes://" + tls.credential_name();
    use_control_plane(common->add_tls_certificate_sds_secret_configs(), name);
    if (!asks_client) return;
    auto* combined = common->mutable_combined_validation_context();
    match_names(combined->mutable_default_validation_context(), tls.subject_alt_names());
    pin(combined->mutable_default_validation_context(), tls);
    use_control_plane(combined->mutable_validation_context_sds_secret_config(), name + "-cacert");
    return;
  }
  use_files(common->add_tls_certificate_sds_secret_configs(),
            "file-cert:" + tls.server_certificate() + "~" + tls.private_key());
  if (!asks_client) return;
  auto* combined = common->mutable_combined_validation_context();
  match_names(combined->mutable_default_validation_context(), tls.subject_alt_names());
  pin(combined->mutable_default_validation_context(), tls);
  use_files(combined->mutable_validation_context_sds_secret_config(),
            "file-root:" + tls.ca_certificates() + (tls.ca_crl().empty() ? "" : "~" + tls.ca_crl()));
}

}  // namespace

std::vector<std::string> mutual_alpn(mesh::Protocol protocol, mesh::Dialect dialect) {
  if (dialect == mesh::Dialect::Seine && mesh::is_http2(protocol)) return {"istio-peer-exchange", "istio", "h2"};
  if (dialect == mesh::Dialect::Seine) return {"istio-peer-exchange", "istio"};
  if (mesh::is_http2(protocol)) return {"istio-h2", "istio", "h2"};
  if (mesh::is_http(protocol)) return {"istio-http/1.1", "istio", "http/1.1"};
  return {"istio-peer-exchange", "istio"};
}

void set_mutual_tls(core::TransportSocket* socket, const MutualPeer& peer) {
  tls_v3::UpstreamTlsContext context;
  auto* common = context.mutable_common_tls_context();
  mesh_versions(common->mutable_tls_params());
  match_names(mesh_credentials(common), peer.identities);
  for (const std::string& protocol : peer.alpn) common->add_alpn_protocols(protocol);
  context.set_sni(peer.sni);
  pack_socket(socket, context);
}

void set_raw(core::TransportSocket* socket) {
  socket->set_name("envoy.transport_sockets.raw_buffer");
  pack(envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer(), socket->mutable_typed_config());
}

void set_client_tls(core::TransportSocket* socket, const istio_api::ClientTLSSettings& tls, mesh::Protocol protocol,
                    Credentials credentials) {
  tls_v3::UpstreamTlsContext context;
  auto* common = context.mutable_common_tls_context();
  mesh_versions(common->mutable_tls_params());
  const bool named = credentials == Credentials::Named && !tls.credential_name().empty();
  const std::string secret = "kubernetes://" + tls.credential_name();
  if (tls.mode() == istio_api::ClientTLSSettings::MUTUAL && named) {
    use_control_plane(common->add_tls_certificate_sds_secret_configs(), secret);
  } else if (tls.mode() == istio_api::ClientTLSSettings::MUTUAL && !tls.client_certificate().empty()) {
    auto* certificate = common->add_tls_certificates();
    certificate->mutable_certificate_chain()->set_filename(tls.client_certificate());
    certificate->mutable_private_key()->set_filename(tls.private_key());
  }
  bool verify = !tls.has_insecure_skip_verify() || !tls.insecure_skip_verify().value();
  if (verify) {
    // The machine's own roots are a secret of the agent's, as with Istio: where
    // nobody serves it, no connection is made, rather than an unverified one.
    auto* combined = common->mutable_combined_validation_context();
    auto* validation = combined->mutable_default_validation_context();
    std::string roots = tls.ca_certificates().empty() ? "system" : tls.ca_certificates();
    if (named)
      use_control_plane(combined->mutable_validation_context_sds_secret_config(), secret + "-cacert");
    else
      use_agent(combined->mutable_validation_context_sds_secret_config(), "file-root:" + roots);
    match_names(validation, tls.subject_alt_names());
    if (!tls.ca_crl().empty()) validation->mutable_crl()->set_filename(tls.ca_crl());
  }
  if (mesh::is_http2(protocol)) common->add_alpn_protocols("h2");
  context.set_sni(tls.sni());
  pack_socket(socket, context);
}

void set_inbound_tls(core::TransportSocket* socket, const mesh::MeshConfig& mesh, Layer layer) {
  tls_v3::DownstreamTlsContext context;
  auto* common = context.mutable_common_tls_context();
  mesh_versions(common->mutable_tls_params());
  for (const char* cipher : kCiphers) common->mutable_tls_params()->add_cipher_suites(cipher);
  trust_mesh(mesh_credentials(common), mesh);
  server_alpn(common, layer);
  context.mutable_require_client_certificate()->set_value(true);
  pack_socket(socket, context);
}

void set_gateway_tls(core::TransportSocket* socket, const istio_api::ServerTLSSettings& tls,
                     const mesh::MeshConfig& mesh, Layer layer) {
  using Tls = istio_api::ServerTLSSettings;
  tls_v3::DownstreamTlsContext context;
  auto* common = context.mutable_common_tls_context();
  if (tls.min_protocol_version() != Tls::TLS_AUTO)
    common->mutable_tls_params()->set_tls_minimum_protocol_version(version_of(tls.min_protocol_version()));
  if (tls.max_protocol_version() != Tls::TLS_AUTO)
    common->mutable_tls_params()->set_tls_maximum_protocol_version(version_of(tls.max_protocol_version()));
  for (const std::string& cipher : tls.cipher_suites())
    if (config::is_cipher_suite(cipher)) common->mutable_tls_params()->add_cipher_suites(cipher);
  if (tls.mode() == Tls::ISTIO_MUTUAL)
    trust_mesh(mesh_credentials(common), mesh);
  else
    gateway_credentials(common, tls);
  if (layer == Layer::Http || tls.mode() == Tls::ISTIO_MUTUAL) server_alpn(common, layer);
  context.mutable_require_client_certificate()->set_value(tls.mode() == Tls::MUTUAL || tls.mode() == Tls::ISTIO_MUTUAL);
  pack_socket(socket, context);
}

}  // namespace translate
