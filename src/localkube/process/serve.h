// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/process/hold.h"

namespace localkube {

// The cluster itself, on one loop: network, API server, controllers, DNS,
// Service rules and pod runtime. Descriptor 3 is the channel to hold. Runs until
// SIGTERM; pods stay, for the serve that comes next.
int serve(const HoldOptions& options, const std::string& epoch);

}  // namespace localkube
