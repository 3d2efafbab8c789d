// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/install/manifest.h"
#include "kube/client.h"

namespace cli {

// Applies the components in order, waits until their Deployments are available
// and says so, a line each. Running it again changes nothing that is right.
net::Task<base::Result<void>> install(kube::Client& client, InstallSettings settings, std::chrono::seconds patience);

// Removes what install made, webhooks first so that nothing calls a control plane that is gone.
net::Task<base::Result<void>> uninstall(kube::Client& client, InstallSettings settings, bool purge);

}  // namespace cli
