// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "mesh/view.h"

namespace translate {

// Every name by which clients of this proxy may call a service: its host name
// (also with the root's dot), the short forms that the proxy's own DNS search
// list allows, its addresses, and those of ExternalNames that mean it.
std::vector<std::string> domains_of(const mesh::View& view, const mesh::Service& service);

}  // namespace translate
