// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "base/json.h"

namespace cli {

// What `install` can be told, as in an IstioOperator's spec.
struct InstallSettings {
  std::string profile = "default";
  std::string ns = "istio-system";
  std::string revision = "default";
  std::string hub = "docker.io/seine";
  std::string tag = SEINE_VERSION;
  bool ingress_gateway = true;
  bool egress_gateway = false;
  std::string ingress_service = "LoadBalancer", egress_service = "ClusterIP";  // types
  base::Json mesh = base::Json::object();                                      // MeshConfig, what was chosen of it
  base::Json chosen = base::Json::object();                                    // all choices, by path
};

// What was written, by path: "meshConfig.accessLogFile". The later one stands.
using Choices = std::map<std::string, base::Json>;

// Adds "KEY=VALUE" of --set. A key that would change nothing, and a value that
// fits no setting, are refused by name.
base::Result<void> set(Choices& choices, std::string_view assignment);

// Adds the spec of an IstioOperator, the text of the file of that name.
base::Result<void> add_operator(Choices& choices, const std::string& file, std::string_view text);

// What the ConfigMap of an installed mesh says of its choices, so that `seine up` can ask for the same again.
inline constexpr const char* kChoicesAnnotation = "seine.dev/install-choices";
base::Result<Choices> remembered(std::string_view annotation);

// The profile's settings under what was chosen.
InstallSettings settings_of(const Choices& choices);

}  // namespace cli
