// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/control_plane.h"

#include "base/log.h"

namespace proxy {

static std::optional<Kind> kind_of(std::string_view type_url) {
  if (type_url == xds::type::kListener) return Kind::Listener;
  if (type_url == xds::type::kCluster) return Kind::Cluster;
  if (type_url == xds::type::kRoute) return Kind::RouteTable;
  if (type_url == xds::type::kEndpoint) return Kind::Endpoints;
  if (type_url == xds::type::kSecret) return Kind::Secret;
  return std::nullopt;
}

static std::string_view url_of(Kind kind) {
  switch (kind) {
    case Kind::Listener: return xds::type::kListener;
    case Kind::Cluster: return xds::type::kCluster;
    case Kind::RouteTable: return xds::type::kRoute;
    case Kind::Endpoints: return xds::type::kEndpoint;
    case Kind::Secret: return xds::type::kSecret;
  }
  return {};
}

ControlPlane::ControlPlane(net::Loop& loop, Configuration& configuration, Options options, xds::AdsClient::Dialer dialer)
    : configuration_(configuration), local_secrets_(std::move(options.local_secrets)),
      session_(options.variant, std::move(options.node),
               [this](std::string_view url, std::span<const xds::Offered> changed, std::span<const std::string> removed) {
                 return take(url, changed, removed);
               }),
      client_(loop, session_, std::move(dialer)) {
  session_.want_all(xds::type::kCluster);
  session_.want_all(xds::type::kListener);
  configuration_.on_wanted = [this](Kind kind, const std::set<std::string>& names) {
    std::set<std::string> remote = names;
    if (kind == Kind::Secret) {
      for (const std::string& name : local_secrets_) remote.erase(name);
      for (const auto& [name, entry] : configuration_.entries(Kind::Secret))
        if (entry.from == Configuration::From::Bootstrap) remote.erase(name);
    }
    session_.want(url_of(kind), remote);
  };
  configuration_.tell_wanted();
}

std::vector<xds::Refused> ControlPlane::take(std::string_view url, std::span<const xds::Offered> changed, std::span<const std::string> removed) {
  std::vector<xds::Refused> refused;
  auto kind = kind_of(url);
  if (!kind) return refused;
  std::vector<Resource> resources;
  resources.reserve(changed.size());
  for (const xds::Offered& offered : changed) resources.push_back({offered.name, offered.version, offered.body});
  for (Rejection& rejection : configuration_.update(*kind, resources, removed)) {
    base::log::warn("rejected {}: {}", base::printable(rejection.name), base::printable(rejection.reason));
    refused.push_back({std::move(rejection.name), std::move(rejection.reason)});
  }
  base::log::debug("{}: {} changed, {} removed, {} rejected", url.substr(url.rfind('.') + 1), changed.size(), removed.size(), refused.size());
  return refused;
}

xds::Variant variant_of(const Bootstrap& bootstrap) {
  using core::ApiConfigSource;
  auto type = bootstrap.dynamic_resources().ads_config().api_type();
  return type == ApiConfigSource::DELTA_GRPC ? xds::Variant::Delta : xds::Variant::StateOfTheWorld;
}

base::Result<xds::AdsClient::Dialer> dialer_of(net::Loop& loop, const Bootstrap& bootstrap, const Configuration& configuration) {
  const auto& ads = bootstrap.dynamic_resources().ads_config();
  if (ads.grpc_services_size() == 0 || !ads.grpc_services(0).has_envoy_grpc())
    return base::fail(base::ErrorKind::Invalid, "dynamic_resources.ads_config.grpc_services[0].envoy_grpc is needed");
  const std::string name = ads.grpc_services(0).envoy_grpc().cluster_name();
  const auto& clusters = configuration.entries(Kind::Cluster);
  auto it = clusters.find(name);
  if (it == clusters.end() || !it->second.cluster)
    return base::fail(base::ErrorKind::Invalid, "ads_config names cluster " + name + ", which is not among the static ones");
  auto cluster = it->second.cluster;
  http::Headers metadata;
  for (const auto& header : ads.grpc_services(0).initial_metadata()) metadata.add(base::to_lower(header.key()), header.value());
  return [&loop, &configuration, cluster, metadata]() -> base::Result<xds::AdsClient::Dial> {
    http::ClientOptions options{.version = http::Version::Http2};
    if (!cluster->dns_names.empty()) {
      options.host = cluster->dns_names[0].host;
      options.port = cluster->dns_names[0].port;
    } else if (cluster->endpoints && !cluster->endpoints->endpoints.empty()) {
      const net::Address& address = cluster->endpoints->endpoints[0].address;
      options.host = address.is_unix() ? address.text() : address.ip();
      options.port = address.port();
    } else {
      return base::fail(base::ErrorKind::Unavailable, "cluster " + cluster->name + " has no endpoint");
    }
    if (cluster->transport.is_tls()) {
      options.tls = configuration.published().tls_context(cluster->transport.tls);
      if (!options.tls) return base::fail(base::ErrorKind::Unavailable, "cluster " + cluster->name + " has no certificates");
      options.server_name = cluster->transport.sni;
    }
    options.connect_timeout = cluster->connect_timeout;
    return xds::AdsClient::Dial{.client = std::make_unique<http::Client>(loop, std::move(options)), .metadata = metadata};
  };
}

}  // namespace proxy
