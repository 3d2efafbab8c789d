// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "kube/client.h"

namespace cli {

// One running control-plane pod's answer to GET PATH on its monitoring port
// (15014), asked through the API server's proxy subresource.
struct PodAnswer {
  std::string pod;
  base::Json body;
};
net::Task<base::Result<std::vector<PodAnswer>>> ask_control_plane(kube::Client& client, std::string istio_ns,
                                                                  std::string path);

// GET path of the admin port (15000) of a proxy "POD.NAMESPACE", over its pod's loopback.
net::Task<base::Result<base::Json>> ask_proxy(kube::Client& client, std::string proxy, std::string path);
// What istiod sent that proxy, in the shape of the proxy's own /config_dump.
net::Task<base::Result<base::Json>> sent_to_proxy(kube::Client& client, std::string istio_ns, std::string istiod,
                                                  std::string proxy);

struct Versions {
  std::string control_plane;
  struct Proxy {
    std::string id;  // POD.NAMESPACE
    std::string version;
  };
  std::vector<Proxy> proxies;
};
net::Task<base::Result<Versions>> control_plane_versions(kube::Client& client, std::string istio_ns);

// What istioctl says where no control plane answers.
std::string absence(const base::Error& error, const std::string& istio_ns);

// The entries of /debug/syncz of one proxy, POD.NAMESPACE, or of all where `only` is empty.
base::Json chosen_proxies(const std::vector<PodAnswer>& answers, const std::string& only);

}  // namespace cli
