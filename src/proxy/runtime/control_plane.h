// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <set>
#include <string>

#include "net/loop.h"
#include "proxy/runtime/bootstrap.h"
#include "proxy/runtime/configuration.h"
#include "xds/client.h"

namespace proxy {

// Keeps the configuration what a control plane says, over ADS. Main thread.
// While the control plane is away, what it said last stays in force.
class ControlPlane {
 public:
  struct Options {
    xds::Variant variant = xds::Variant::Delta;
    envoy::config::core::v3::Node node;
    std::set<std::string> local_secrets;  // answered by this process itself
  };
  ControlPlane(net::Loop& loop, Configuration& configuration, Options options, xds::AdsClient::Dialer dialer);

  bool connected() const { return client_.connected(); }
  // All that was asked for has come once.
  bool answered() const { return session_.answered(); }

 private:
  std::vector<xds::Refused> take(std::string_view type_url, std::span<const xds::Offered> changed, std::span<const std::string> removed);

  Configuration& configuration_;
  const std::set<std::string> local_secrets_;
  xds::ClientSession session_;
  xds::AdsClient client_;
};

// How to reach the control plane that a bootstrap's ads_config names: one of its
// static clusters, with that cluster's first endpoint and TLS.
base::Result<xds::AdsClient::Dialer> dialer_of(net::Loop& loop, const Bootstrap& bootstrap, const Configuration& configuration);
xds::Variant variant_of(const Bootstrap& bootstrap);

}  // namespace proxy
