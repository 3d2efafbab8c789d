// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <set>
#include <string>

#include "proxy/runtime/bootstrap.h"
#include "xds/client.h"

namespace proxy {

// Feeds the Configuration from a control plane by aggregated discovery: all
// clusters and listeners, and of the rest what they want. Main thread.
class Discovery {
 public:
  // Secrets in `local` come from elsewhere (the agent) and are not asked for.
  Discovery(net::Loop& loop, Configuration& configuration, xds::Variant variant, envoy::config::core::v3::Node node,
            xds::AdsClient::Dialer dialer, std::set<std::string> local = {});
  ~Discovery();

  // Everything that was asked for has been answered, and every listener serves.
  bool ready() const;

 private:
  std::vector<xds::Refused> take(std::string_view type_url, std::span<const xds::Offered> changed, std::span<const std::string> removed);

  Configuration& configuration_;
  const std::set<std::string> local_;
  xds::ClientSession session_;
  std::unique_ptr<xds::AdsClient> client_;
};

// As the bootstrap's dynamic_resources.ads_config says; nullptr where it has none.
base::Result<std::unique_ptr<Discovery>> discovery_of(net::Loop& loop, const Bootstrap& bootstrap, Configuration& configuration);

}  // namespace proxy
