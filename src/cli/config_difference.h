// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/json.h"

namespace cli {

// What istioctl proxy-status prints of one proxy: "Clusters Match" or, below
// "Clusters Don't Match", the names that one side lacks or that differ. Both are
// config dumps in the shape of Envoy's admin page; contents are compared, as
// versions of the whole type say nothing of one resource.
std::string config_difference(const base::Json& istiod, const base::Json& proxy);

}  // namespace cli
