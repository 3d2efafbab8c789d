// SPDX-License-Identifier: Apache-2.0
#include "proxy/access/tls_facts.h"

#include <openssl/evp.h>

#include <ctime>

#include "base/strings.h"
#include "http/message.h"
#include "identity/certificate.h"

namespace proxy {
namespace {

using telemetry::Fact;

std::string time_text(std::chrono::system_clock::time_point at) {
  time_t seconds = std::chrono::system_clock::to_time_t(at);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40];
  return {text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.000Z", &parts)};
}

std::string digest_of(const std::string& certificate_der, const EVP_MD* by) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (certificate_der.empty() ||
      !EVP_Digest(certificate_der.data(), certificate_der.size(), digest, &size, by, nullptr))
    return {};
  return base::to_hex({reinterpret_cast<const char*>(digest), size});
}

}  // namespace

std::string subject_of(const net::TlsPeer& peer) {
  if (peer.certificate_der.empty()) return {};
  auto certificate = identity::Certificate::from_der(peer.certificate_der);
  return certificate ? certificate->subject : std::string();
}

std::string tls_fact(const net::TlsPeer* peer, const std::string& fingerprint, Fact fact) {
  if (!peer) return {};
  switch (fact) {
    case Fact::TlsVersion:
    case Fact::UpstreamTlsVersion:
      return peer->version;
    case Fact::TlsCipher:
    case Fact::UpstreamTlsCipher:
      return peer->cipher;
    case Fact::TlsGroup:
    case Fact::UpstreamTlsGroup:
      return peer->group;
    case Fact::TlsSession:
    case Fact::UpstreamTlsSession:
      return base::to_hex({reinterpret_cast<const char*>(peer->session_id.data()), peer->session_id_size});
    case Fact::UpstreamPeerUri:
      return base::join(peer->uri_names, ",");
    case Fact::PeerDnsNames:
    case Fact::UpstreamPeerDnsNames:
      return base::join(peer->dns_names, ",");
    case Fact::PeerIpNames:
    case Fact::UpstreamPeerIpNames:
      return base::join(peer->ip_names, ",");
    case Fact::PeerFingerprint:
      return fingerprint;
    case Fact::UpstreamPeerFingerprint:
      return digest_of(peer->certificate_der, EVP_sha256());
    case Fact::PeerFingerprint1:
    case Fact::UpstreamPeerFingerprint1:
      return digest_of(peer->certificate_der, EVP_sha1());
    case Fact::LocalUri:
    case Fact::UpstreamLocalUri:
      return peer->context ? base::join(peer->context->own().uri_names, ",") : std::string();
    case Fact::LocalDnsNames:
    case Fact::UpstreamLocalDnsNames:
      return peer->context ? base::join(peer->context->own().dns_names, ",") : std::string();
    case Fact::LocalIpNames:
    case Fact::UpstreamLocalIpNames:
      return peer->context ? base::join(peer->context->own().ip_names, ",") : std::string();
    case Fact::LocalSubject:
    case Fact::UpstreamLocalSubject:
      return peer->context ? subject_of(peer->context->own()) : std::string();
    default:
      break;
  }
  if (peer->certificate_der.empty()) return {};
  auto certificate = identity::Certificate::from_der(peer->certificate_der);
  if (!certificate) return {};
  switch (fact) {
    case Fact::PeerSubject:
    case Fact::UpstreamPeerSubject:
      return certificate->subject;
    case Fact::PeerIssuer:
    case Fact::UpstreamPeerIssuer:
      return certificate->issuer;
    case Fact::PeerSerial:
    case Fact::UpstreamPeerSerial:
      return base::to_lower(certificate->serial);
    case Fact::PeerCertificate:
    case Fact::UpstreamPeerCertificate:
      return http::percent_encode(certificate->pem());
    case Fact::PeerNotBefore:
    case Fact::UpstreamPeerNotBefore:
      return time_text(certificate->not_before);
    case Fact::PeerNotAfter:
    case Fact::UpstreamPeerNotAfter:
      return time_text(certificate->not_after);
    default:
      return {};
  }
}

std::string origin_fact(const Origin& origin, Fact fact) {
  switch (fact) {
    case Fact::DirectLocal:
      return origin.came_in.valid() ? origin.came_in.text() : std::string();
    case Fact::DirectLocalIp:
      return origin.came_in.valid() ? origin.came_in.ip() : std::string();
    case Fact::DirectLocalPort:
      return origin.came_in.valid() ? std::to_string(origin.came_in.port()) : std::string();
    case Fact::ListenerName:
      return origin.listener ? origin.listener->name : std::string();
    default:
      return tls_fact(origin.tls, origin.certificate_hash, fact);
  }
}

}  // namespace proxy
