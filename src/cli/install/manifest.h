// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "objects/object.h"

namespace cli {

// What `install` can be told, as in IstioOperator's values.
struct InstallSettings {
  std::string profile = "default";  // default, minimal (no gateway) or empty (nothing)
  std::string ns = "istio-system";
  std::string revision = "default";
  std::string hub = "docker.io/seine";
  std::string tag = SEINE_VERSION;
};

// Applies "--set KEY=VALUE" (profile, hub, tag, revision, values.global.hub,
// values.global.tag, values.global.istioNamespace). A key that would change
// nothing is refused by name.
base::Result<void> set(InstallSettings& settings, std::string_view assignment);

// One component and its objects, in the order in which they are applied.
struct Component {
  std::string name;        // as it is announced: "Istio core"
  std::string deployment;  // to wait for; empty: none
  std::vector<objects::Object> objects;
};
base::Result<std::vector<Component>> manifest(const InstallSettings& settings);

}  // namespace cli
