// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "envoy/config/core/v3/base.pb.h"

namespace agent {

enum class Role { Sidecar, Router };

// What the injector and the manifests tell a proxy's container, as Istio's:
// environment, the pod's labels, the mesh's root certificate and a token.
struct Environment {
  Role role = Role::Sidecar;
  std::string pod;
  std::string ns;
  std::string ip;
  std::string service_account = "default";
  std::string trust_domain = "cluster.local";
  std::string dns_domain;         // "default.svc.cluster.local"
  std::string ca_address;         // host:port
  std::string discovery_address;  // host:port
  std::string root_file = "/var/run/secrets/istio/root-cert.pem";
  std::string token_file = "/var/run/secrets/tokens/istio-token";
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  base::Json probers = base::Json::object();   // path -> probe, of ISTIO_KUBE_APP_PROBERS
  base::Json metadata = base::Json::object();  // of the xDS node
  std::chrono::seconds drain{5};
  int concurrency = 0;  // 0: not said

  std::string uri() const;  // spiffe://...
};

// `variable` looks one up (std::getenv outside of tests; nullptr: unset). Errors name the variable that is missing or
// wrong.
base::Result<Environment> read_environment(Role role, const std::function<const char*(const char*)>& variable,
                                           const std::string& pod_directory = "/etc/istio/pod");

// `sidecar~IP~POD.NS~DOMAIN` with its metadata, as istiod reads it.
envoy::config::core::v3::Node node_of(const Environment& environment);

// The downward API's form: one key="value" a line, the value quoted as in Go.
std::map<std::string, std::string> parse_downward(std::string_view text);

}  // namespace agent
