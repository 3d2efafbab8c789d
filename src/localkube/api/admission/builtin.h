// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/api/admission/admission.h"

namespace localkube {

// Refuses new objects in a namespace that is not there or is going.
Answer<void> check_namespace(const Store& store, const Review& review);

// What a server adds to each new pod: service account with its token's volume,
// tolerations, priority. May run again on a pod that webhooks have changed.
// Refuses with `missing_account` set where the service account does not exist
// (yet: its controller may be about to make it).
Answer<void> complete_pod(const Store& store, const std::string& ns, Json& pod, bool& missing_account);

}  // namespace localkube
