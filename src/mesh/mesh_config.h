// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "objects/object.h"

namespace mesh {

// The mesh-wide settings that act, from ConfigMap `istio` of the root
// namespace (data.mesh). Defaults are Istio's.
struct MeshConfig {
  std::string root_namespace = "istio-system";
  std::string trust_domain = "cluster.local";
  std::vector<std::string> trust_domain_aliases;
  std::string cluster_domain = "cluster.local";
  std::string cluster_id = "Kubernetes";
  bool registry_only = false;           // outboundTrafficPolicy.mode
  bool inbound_localhost = false;       // inboundTrafficPolicy.mode LOCALHOST
  bool auto_mtls = true;                // enableAutoMtls
  bool locality_load_balancing = true;  // localityLbSetting.enabled
  std::chrono::milliseconds connect_timeout{10000};
  std::chrono::milliseconds protocol_detection_timeout{0};
  std::string access_log_file;  // empty: off
  std::string access_log_format;
  bool access_log_json = false;
  int outbound_port = 15001;  // proxyListenPort
  int inbound_port = 15006;   // proxyInboundListenPort
  std::vector<std::string> default_service_export_to, default_virtual_service_export_to,
      default_destination_rule_export_to;     // empty: everywhere
  std::optional<int> default_retry_attempts;  // defaultHttpRetryPolicy
  std::string default_retry_on;

  bool operator==(const MeshConfig&) const = default;
};

// Reads the ConfigMap; settings that Seine does not act on are named in
// `unknown`, where given. A document that does not parse leaves the defaults.
MeshConfig mesh_config_of(const objects::Object* config_map, std::vector<std::string>* unknown = nullptr);

}  // namespace mesh
