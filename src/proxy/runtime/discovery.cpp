// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/discovery.h"

namespace proxy {

static constexpr std::string_view kUrls[kKinds] = {xds::type::kListener, xds::type::kCluster, xds::type::kRoute, xds::type::kEndpoint,
                                                   xds::type::kSecret};

static std::optional<Kind> kind_of(std::string_view type_url) {
  for (size_t i = 0; i < kKinds; ++i)
    if (kUrls[i] == type_url) return static_cast<Kind>(i);
  return std::nullopt;
}

Discovery::Discovery(net::Loop& loop, Configuration& configuration, xds::Variant variant, envoy::config::core::v3::Node node,
                     xds::AdsClient::Dialer dialer, std::set<std::string> local)
    : configuration_(configuration),
      local_(std::move(local)),
      session_(variant, std::move(node),
               [this](std::string_view type_url, std::span<const xds::Offered> changed, std::span<const std::string> removed) {
                 return take(type_url, changed, removed);
               }) {
  configuration_.on_wanted = [this](Kind kind, const std::set<std::string>& names) {
    std::set<std::string> asked = names;
    if (kind == Kind::Secret)
      for (const std::string& name : local_) asked.erase(name);
    if (kind != Kind::Listener && kind != Kind::Cluster) session_.want(kUrls[static_cast<size_t>(kind)], asked);
  };
  session_.want_all(xds::type::kCluster);
  session_.want_all(xds::type::kListener);
  client_ = std::make_unique<xds::AdsClient>(loop, session_, std::move(dialer));
}

Discovery::~Discovery() { configuration_.on_wanted = nullptr; }

bool Discovery::ready() const { return session_.answered() && configuration_.listeners_ready(); }

std::vector<xds::Refused> Discovery::take(std::string_view type_url, std::span<const xds::Offered> changed,
                                          std::span<const std::string> removed) {
  auto kind = kind_of(type_url);
  std::vector<xds::Refused> refused;
  if (!kind) return refused;
  std::vector<Resource> resources;
  for (const xds::Offered& offered : changed) resources.push_back({offered.name, offered.version, offered.body});
  for (Rejection& rejection : configuration_.update(*kind, resources, removed))
    refused.push_back({std::move(rejection.name), std::move(rejection.reason)});
  return refused;
}

// The first endpoint of a static cluster, as the clusters of control planes are written.
static base::Result<http::ClientOptions> server_of(const Bootstrap& bootstrap, const std::string& name) {
  for (const auto& cluster : bootstrap.static_resources().clusters()) {
    if (cluster.name() != name) continue;
    if (cluster.has_transport_socket())
      return base::fail(base::ErrorKind::Invalid, "cluster " + name + ": ads_config over a transport_socket is not supported yet; sidecars and routers use mTLS");
    for (const auto& locality : cluster.load_assignment().endpoints())
      for (const auto& endpoint : locality.lb_endpoints()) {
        const auto& address = endpoint.endpoint().address().socket_address();
        http::ClientOptions options{.host = address.address(), .port = static_cast<uint16_t>(address.port_value()), .version = http::Version::Http2};
        return options;
      }
    return base::fail(base::ErrorKind::Invalid, "cluster " + name + " has no endpoint to reach the control plane at");
  }
  return base::fail(base::ErrorKind::Invalid, "ads_config names cluster " + name + ", which static_resources does not have");
}

base::Result<std::unique_ptr<Discovery>> discovery_of(net::Loop& loop, const Bootstrap& bootstrap, Configuration& configuration) {
  using envoy::config::core::v3::ApiConfigSource;
  if (!bootstrap.dynamic_resources().has_ads_config()) return nullptr;
  const ApiConfigSource& source = bootstrap.dynamic_resources().ads_config();
  xds::Variant variant;
  switch (source.api_type()) {
    case ApiConfigSource::DELTA_GRPC: variant = xds::Variant::Delta; break;
    case ApiConfigSource::GRPC: variant = xds::Variant::StateOfTheWorld; break;
    default: return base::fail(base::ErrorKind::Invalid, "ads_config.api_type is GRPC or DELTA_GRPC");
  }
  if (source.grpc_services().empty() || !source.grpc_services(0).has_envoy_grpc())
    return base::fail(base::ErrorKind::Invalid, "ads_config.grpc_services needs an envoy_grpc with a cluster_name");
  http::ClientOptions server = TRY(server_of(bootstrap, source.grpc_services(0).envoy_grpc().cluster_name()));
  auto dialer = [&loop, server]() -> base::Result<xds::AdsClient::Dial> {
    return xds::AdsClient::Dial{.client = std::make_unique<http::Client>(loop, server), .metadata = {}};
  };
  auto node = bootstrap.node();
  if (node.user_agent_name().empty()) node.set_user_agent_name("seine-proxy");
  return std::make_unique<Discovery>(loop, configuration, variant, std::move(node), std::move(dialer));
}

}  // namespace proxy
