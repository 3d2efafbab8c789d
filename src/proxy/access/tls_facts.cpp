// SPDX-License-Identifier: Apache-2.0
#include "proxy/access/tls_facts.h"

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

}  // namespace

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

bool is_of_upstream_tls(telemetry::Fact fact) {
  using telemetry::Fact;
  switch (fact) {
    case Fact::UpstreamPeerUri:
    case Fact::UpstreamPeerDnsNames:
    case Fact::UpstreamPeerIpNames:
    case Fact::UpstreamPeerSubject:
    case Fact::UpstreamPeerIssuer:
    case Fact::UpstreamPeerCertificate:
    case Fact::UpstreamPeerNotBefore:
    case Fact::UpstreamPeerNotAfter:
    case Fact::UpstreamTlsVersion:
    case Fact::UpstreamTlsCipher:
    case Fact::UpstreamTlsGroup:
    case Fact::UpstreamTlsSession:
      return true;
    default:
      return false;
  }
}

}  // namespace proxy
