// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/json.h"

namespace localkube {

// What a kubeconfig needs to know of this cluster. Both entries are kubeconfig v1's.
struct KubeconfigEntries {
  base::Json cluster;  // server, certificate-authority-data
  base::Json user;     // client-certificate-data, client-key-data
};

// The text of the kubeconfig that was there (empty or unreadable: none), with this cluster's own entries as given.
// What its user wrote stays: other clusters, users and contexts, the namespace of our context, which one is current.
std::string kubeconfig_with(const std::string& before, const KubeconfigEntries& entries);

}  // namespace localkube
