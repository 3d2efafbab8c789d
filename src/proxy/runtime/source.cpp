// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/source.h"

#include "base/strings.h"
#include "proxy/runtime/compile.h"
#include "xds/server.h"

namespace proxy {

std::string_view url_of(Kind kind) {
  switch (kind) {
    case Kind::Listener:
      return xds::type::kListener;
    case Kind::Cluster:
      return xds::type::kCluster;
    case Kind::RouteTable:
      return xds::type::kRoute;
    case Kind::Endpoints:
      return xds::type::kEndpoint;
    case Kind::Secret:
      return xds::type::kSecret;
    case Kind::VirtualHost:
      return xds::type::kVirtualHost;
  }
  return {};
}

static base::Error refusal(const std::string& what) {
  return {.kind = base::ErrorKind::Invalid, .message = "config source: " + what};
}

base::Result<Source> Source::parse(const core::ApiConfigSource& from) {
  Source out{.type = Type::Grpc};
  switch (from.api_type()) {
    case core::ApiConfigSource::GRPC:
      break;
    case core::ApiConfigSource::DELTA_GRPC:
      out.delta = true;
      break;
    case core::ApiConfigSource::REST:
      return std::unexpected(refusal("api_type REST is not supported"));
    default:
      return std::unexpected(
          refusal("api_type " + core::ApiConfigSource::ApiType_Name(from.api_type()) + " is not supported here"));
  }
  if (from.transport_api_version() == core::V2)
    return std::unexpected(refusal("transport_api_version V2 is not supported"));
  if (from.grpc_services_size() != 1) return std::unexpected(refusal("exactly one of grpc_services is needed"));
  const auto& service = from.grpc_services(0);
  if (!service.has_envoy_grpc())
    return std::unexpected(refusal("grpc_services[0].envoy_grpc is needed; google_grpc is not supported"));
  out.cluster = service.envoy_grpc().cluster_name();
  for (const auto& header : service.initial_metadata())
    out.metadata.emplace_back(base::to_lower(header.key()), header.value());
  return out;
}

base::Result<Source> Source::parse(const core::ConfigSource& from) {
  using From = core::ConfigSource;
  Source out;
  switch (from.config_source_specifier_case()) {
    case From::kApiConfigSource:
      out = TRY(parse(from.api_config_source()));
      break;
    case From::kPath:
      out.type = Type::File;
      out.path = from.path();
      break;
    case From::kPathConfigSource:
      out.type = Type::File;
      out.path = from.path_config_source().path();
      out.directory = from.path_config_source().watched_directory().path();
      break;
    default:
      break;
  }
  if (out.type == Type::File) {
    if (out.path.empty()) return std::unexpected(refusal("path is empty"));
    const size_t slash = out.path.rfind('/');
    if (out.directory.empty())
      out.directory = slash == std::string::npos ? "." : slash == 0 ? "/" : out.path.substr(0, slash);
  }
  if (from.has_initial_fetch_timeout()) out.initial_fetch = milliseconds_of(from.initial_fetch_timeout());
  return out;
}

std::string Source::key() const {
  if (type == Type::Ads) return {};
  if (type == Type::File) return "file:" + path;
  std::string out = (delta ? "delta:" : "grpc:") + cluster;
  for (const auto& [name, value] : metadata) out += "\n" + name + "=" + value;
  return out;
}

}  // namespace proxy
