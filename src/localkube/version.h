// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace localkube {

// The Kubernetes release whose API is served, as the server and its node tell it.
inline constexpr const char* kKubernetesVersion = "v1.33.4+seine";

}  // namespace localkube
