// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "cli/install/settings.h"
#include "objects/object.h"

namespace cli {

// One component and its objects, in the order in which they are applied.
struct Component {
  std::string name;        // as it is announced: "Istio core"
  std::string deployment;  // to wait for; empty: none
  std::vector<objects::Object> objects;
};
base::Result<std::vector<Component>> manifest(const InstallSettings& settings);

// The objects of the gateways that these settings leave out: what an earlier
// install with others may have made.
base::Result<std::vector<objects::Object>> left_out(const InstallSettings& settings);

}  // namespace cli
