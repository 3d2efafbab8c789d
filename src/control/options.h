// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "inject/inject.h"

namespace control {

// How one control plane runs: from the command line, with the environment's
// word where the line says nothing, as the installed Deployment sets it.
struct Options {
  std::string kubeconfig;  // empty: as kubectl finds it, else the pod's own account
  std::string kube_context;
  std::string config_dir;  // objects from YAML files instead of a Kubernetes API
  std::string ns = "istio-system";
  std::string revision = "default";
  std::string cluster_id = "Kubernetes";
  std::string pod_name = "istiod";
  std::string address = "0.0.0.0";
  uint16_t secure_port = 15012;  // xDS and certificates over TLS
  uint16_t webhook_port = 15017;
  uint16_t monitoring_port = 15014;  // metrics, debug
  uint16_t ready_port = 8080;
  int plaintext_port = -1;  // xDS in clear text for anybody who connects: off unless asked for
  std::string log_level = "info";
  bool help = false;
  inject::Settings injection;  // as far as flags and environment decide it
};

// `environment` answers like getenv, with empty text for what is not set.
base::Result<Options> parse_options(std::span<const char* const> arguments,
                                    const std::function<std::string(const char*)>& environment);
std::string_view usage();

}  // namespace control
