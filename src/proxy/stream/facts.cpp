// SPDX-License-Identifier: Apache-2.0
#include <charconv>

#include "base/json.h"
#include "proxy/access/tls_facts.h"
#include "proxy/stream/stream.h"

namespace proxy {
using telemetry::Fact;
using telemetry::Message;
using telemetry::MetadataOf;

std::optional<std::string_view> Stream::find_header(const void* source, Message message, std::string_view name) {
  const auto& stream = *static_cast<const Stream*>(source);
  if (message == Message::Response) {
    if (!stream.response_started_ && !stream.response_coming_) return std::nullopt;
    if (name == ":status") {
      thread_local char text[3];
      return std::string_view(text, std::to_chars(text, text + sizeof text, stream.response.status).ptr);
    }
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
  if (is_of_upstream_tls(fact))
    return tls_fact(stream.upstream_ ? stream.upstream_->connection().tls() : nullptr, {}, fact);
  switch (fact) {
    case Fact::UpstreamHostName:
    case Fact::UpstreamHostNameWithoutPort: {
      std::string name = stream.upstream_name_.empty() ? stream.upstream_host_ : stream.upstream_name_;
      if (fact == Fact::UpstreamHostNameWithoutPort) name.resize(std::min(name.rfind(':'), name.size()));
      return name;
    }
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
      return origin_fact(*stream.origin_, fact);
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
