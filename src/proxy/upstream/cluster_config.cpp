// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/cluster_config.h"

#include <algorithm>

#include "base/strings.h"

namespace proxy {

static bool carries_dns(std::string_view host, const std::vector<std::string>& names) {
  const std::string wanted = base::to_lower(host);
  return std::any_of(names.begin(), names.end(), [&](const std::string& written) {
    const std::string name = base::to_lower(written);
    if (name == wanted) return true;
    const size_t dot = wanted.find('.');
    return name.starts_with("*.") && dot != std::string::npos && dot > 0 &&
           std::string_view(name).substr(1) == std::string_view(wanted).substr(dot);
  });
}

bool carries_name(const std::vector<SanMatch>& sans, const net::TlsPeer& peer) {
  if (sans.empty()) return true;
  using Type = SanMatch::Type;
  for (const SanMatch& san : sans) {
    auto fits = [&](Type type, const std::vector<std::string>& names) {
      return (san.type == Type::Any || san.type == type) &&
             std::any_of(names.begin(), names.end(), [&](const std::string& name) { return san.match.matches(name); });
    };
    if (fits(Type::Uri, peer.uri_names) || fits(Type::Dns, peer.dns_names) || fits(Type::Ip, peer.ip_names))
      return true;
    // An exact name fits a certificate's wildcard, as in Envoy.
    if (san.type == Type::Dns && san.match.kind == StringMatch::Kind::Exact &&
        carries_dns(san.match.value, peer.dns_names))
      return true;
  }
  return false;
}

bool carries_host(std::string_view host, const net::TlsPeer& peer) {
  if (auto address = net::Address::parse(host, 0)) {
    const std::string text = address->ip();
    return std::find(peer.ip_names.begin(), peer.ip_names.end(), text) != peer.ip_names.end();
  }
  return carries_dns(host, peer.dns_names);
}

bool Transport::operator==(const Transport& other) const {
  return tls == other.tls && tls_exclusive == other.tls_exclusive && tls_http1 == other.tls_http1 &&
         tls_tcp == other.tls_tcp && sni == other.sni && sni_from_host == other.sni_from_host &&
         sni_header == other.sni_header && sni_from_endpoint == other.sni_from_endpoint &&
         check_host == other.check_host && istio_alpn == other.istio_alpn && proxy_protocol == other.proxy_protocol;
}

const Transport& Cluster::transport_for(const std::vector<std::pair<std::string, std::string>>& labels) const {
  for (const TransportChoice& choice : transport_choices) {
    bool fits = std::all_of(choice.labels.begin(), choice.labels.end(), [&](const auto& label) {
      return std::find(labels.begin(), labels.end(), label) != labels.end();
    });
    if (fits) return choice.transport;
  }
  return transport;
}

const Transport& Cluster::transport_for(const Endpoint& endpoint) const {
  return transport_for(endpoint.more().labels);
}

const EndpointDetails& Endpoint::more() const {
  static const EndpointDetails kNone;
  return details ? *details : kNone;
}

void Endpoint::set_details(EndpointDetails of, const Endpoint* like) {
  if (like && like->more() == of)
    details = like->details;
  else if (of == EndpointDetails{})
    details.reset();
  else
    details = std::make_shared<const EndpointDetails>(std::move(of));
}

}  // namespace proxy
