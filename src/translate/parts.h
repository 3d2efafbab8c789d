// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "translate/translate.h"

namespace translate {

// The two halves of listeners() and clusters(): what proxies of one outlook
// share, and what is one workload's own (its inbound side).
std::vector<Resource> shared_listeners(const mesh::View& view);
std::vector<Resource> own_listeners(const mesh::View& view);
std::vector<Resource> shared_clusters(const mesh::View& view);
std::vector<Resource> own_clusters(const mesh::View& view);

// The endpoints that an EDS resource of that name is made of.
mesh::Shared<std::vector<mesh::Endpoint>> endpoint_set_of(const mesh::View& view, const std::string& cluster_name);

// What these clusters ask for over EDS.
std::vector<std::string> names_of_endpoints(const std::vector<std::shared_ptr<const Resource>>& clusters);

}  // namespace translate
