// SPDX-License-Identifier: Apache-2.0
#include <ctime>

#include "base/json.h"
#include "base/strings.h"
#include "identity/certificate.h"
#include "proxy/stream/stream.h"

namespace proxy {
namespace {

using telemetry::Fact;
using telemetry::Message;
using telemetry::MetadataOf;

std::string time_text(std::chrono::system_clock::time_point at) {
  time_t seconds = std::chrono::system_clock::to_time_t(at);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40];
  return {text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.000Z", &parts)};
}

std::string fact_of(const net::TlsPeer* peer, const std::string& fingerprint, Fact fact) {
  if (!peer || peer->certificate_der.empty()) return {};
  if (fact == Fact::PeerDnsNames) return base::join(peer->dns_names, ",");
  if (fact == Fact::PeerFingerprint) return fingerprint;
  auto certificate = identity::Certificate::from_der(peer->certificate_der);
  if (!certificate) return {};
  switch (fact) {
    case Fact::PeerSubject:
      return certificate->subject;
    case Fact::PeerIssuer:
      return certificate->issuer;
    case Fact::PeerSerial:
      return base::to_lower(certificate->serial);
    case Fact::PeerCertificate:
      return http::percent_encode(certificate->pem());
    case Fact::PeerNotBefore:
      return time_text(certificate->not_before);
    case Fact::PeerNotAfter:
      return time_text(certificate->not_after);
    default:
      return {};
  }
}

}  // namespace

std::optional<std::string_view> Stream::find_header(const void* source, Message message, std::string_view name) {
  const auto& stream = *static_cast<const Stream*>(source);
  if (message == Message::Response) {
    if (!stream.response_started_ && !stream.response_coming_) return std::nullopt;
    return stream.response.headers.get(name);
  }
  if (message == Message::Trailers)
    return stream.has_response_trailers_ ? stream.response_trailers_.get(name) : std::nullopt;
  if (name.starts_with(':')) {
    const std::string* value = name == ":method"      ? &stream.request.method
                               : name == ":path"      ? &stream.request.path
                               : name == ":authority" ? &stream.request.authority
                               : name == ":scheme"    ? &stream.request.scheme
                                                      : nullptr;
    return value && !value->empty() ? std::optional<std::string_view>(*value) : std::nullopt;
  }
  if (name == "host") return stream.request.authority;
  return stream.request.headers.get(name);
}

std::string Stream::find_fact(const void* source, Fact fact) {
  const auto& stream = *static_cast<const Stream*>(source);
  const net::TlsPeer* above = stream.upstream_ ? stream.upstream_->connection().tls() : nullptr;
  switch (fact) {
    case Fact::UpstreamPeerUri:
      return above ? base::join(above->uri_names, ",") : "";
    case Fact::UpstreamPeerDnsNames:
      return fact_of(above, {}, Fact::PeerDnsNames);
    case Fact::UpstreamPeerSubject:
      return fact_of(above, {}, Fact::PeerSubject);
    case Fact::UpstreamPeerIssuer:
      return fact_of(above, {}, Fact::PeerIssuer);
    case Fact::UpstreamHostName:
    case Fact::UpstreamHostNameWithoutPort: {
      std::string name =
          stream.host_ && !stream.host_->hostname.empty() ? stream.host_->hostname : stream.upstream_host_;
      if (fact == Fact::UpstreamHostNameWithoutPort) name.resize(std::min(name.rfind(':'), name.size()));
      return name;
    }
    case Fact::LogType:
      return stream.phase_ == Phase::Done ? "DownstreamEnd" : "NotSet";
    case Fact::RequestId:
      return std::string(stream.request.headers.get("x-request-id").value_or(""));
    case Fact::TraceId:
    case Fact::SpanId: {
      // W3C's "00-<trace>-<span>-01", or B3's.
      if (auto parent = stream.request.headers.get("traceparent"); parent && parent->size() >= 55)
        return std::string(fact == Fact::TraceId ? parent->substr(3, 32) : parent->substr(36, 16));
      return std::string(
          stream.request.headers.get(fact == Fact::TraceId ? "x-b3-traceid" : "x-b3-spanid").value_or(""));
    }
    default:
      return fact_of(stream.origin_->tls, stream.origin_->certificate_hash, fact);
  }
}

bool Stream::find_metadata(const void* source, MetadataOf whose, std::string_view space,
                           std::span<const std::string> path, base::Json& out) {
  const auto& stream = *static_cast<const Stream*>(source);
  const Metadata* metadata = nullptr;
  const std::string* config = nullptr;
  switch (whose) {
    case MetadataOf::Request:
      metadata = &stream.metadata;
      break;
    case MetadataOf::Route:
      if (!stream.chosen_.route) return false;
      metadata = stream.chosen_.route->facts.get();
      config = &stream.chosen_.route->origin;
      break;
    case MetadataOf::VirtualHost:
      metadata = stream.chosen_.host ? stream.chosen_.host->about.get() : nullptr;
      break;
    case MetadataOf::Cluster:
      metadata = stream.cluster_ && stream.cluster_->config() ? stream.cluster_->config()->about.get() : nullptr;
      break;
  }
  if (const base::Json* found = metadata ? metadata->find(space, path) : nullptr) {
    out = *found;
    return true;
  }
  if (!config || config->empty() || space != "istio") return false;
  if (path.empty())
    out = base::Json{{"config", *config}};
  else if (path.size() == 1 && path[0] == "config")
    out = *config;
  else
    return false;
  return true;
}

}  // namespace proxy
