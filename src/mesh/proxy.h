// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "mesh/service.h"

namespace mesh {

enum class ProxyType { Sidecar, Router, Waypoint };

// Which filters a proxy knows. A stock Envoy refuses Istio's own.
enum class Dialect { Envoy, Seine };

// Who asks for configuration, from its xDS node.
struct Proxy {
  std::string id;  // "nginx.default": pod and namespace
  ProxyType type = ProxyType::Sidecar;
  Dialect dialect = Dialect::Envoy;
  std::vector<std::string> addresses;
  std::string name;  // the pod
  std::string ns;
  std::string dns_domain;  // "default.svc.cluster.local"
  std::string cluster_id;
  std::string network;
  std::string service_account;
  std::string version;  // node.metadata.ISTIO_VERSION
  std::string revision;
  objects::Labels labels;
  std::map<std::string, int, std::less<>> named_ports;  // of the pod's containers, from POD_PORTS
  Locality locality;
  bool unprivileged = false;  // may not bind ports under 1024
  bool capture = true;        // INTERCEPTION_MODE is not NONE

  auto operator<=>(const Proxy&) const = default;
};

// Reads `sidecar~IP~POD.NS~NS.svc.cluster.local` and node.metadata (as JSON).
// user_agent is node.user_agent_name: "seine-proxy" is served Seine's dialect.
base::Result<Proxy> parse_proxy(std::string_view node_id, const base::Json& metadata, std::string_view user_agent = "");

}  // namespace mesh
