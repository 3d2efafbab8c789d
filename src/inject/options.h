// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "inject/inject.h"

namespace inject {

// What one pod's annotations change, read and checked once.
struct Options {
  enum class Template { Sidecar, Gateway };
  Template kind = Template::Sidecar;
  bool native = true;
  bool capture = true;  // interceptionMode is not NONE
  bool rewrite_probes = true;
  bool merge_metrics = true;
  bool hold_application = false;  // holdApplicationUntilProxyStarts
  std::string image;
  std::string log_level;
  int status_port = 15020;  // 0: no probes of the proxy itself
  Json proxy_config;        // the mesh's with the annotation's on top
  Json resources;
  Json readiness;  // initialDelaySeconds, periodSeconds, failureThreshold where set
  Json user_volumes = Json::array(), user_mounts = Json::array();
  // As istio-init takes them; empty: not given.
  std::string include_inbound_ports, exclude_inbound_ports, include_outbound_ports, exclude_outbound_ports;
  std::string include_outbound_cidrs, exclude_outbound_cidrs;
};

base::Result<Options> options_of(const Json& pod, const Settings& settings);

}  // namespace inject
