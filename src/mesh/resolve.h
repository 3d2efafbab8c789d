// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "config/config.h"

namespace mesh {

// The same object with its short names written in full, as the rest of the mesh
// compares them: hosts and destinations in the object's namespace, gateways as
// "namespace/name", and the gateway "mesh" where none is written.
std::shared_ptr<const config::VirtualService> resolved(const config::VirtualService& source,
                                                       std::string_view cluster_domain);
std::shared_ptr<const config::DestinationRule> resolved(const config::DestinationRule& source,
                                                        std::string_view cluster_domain);

// Replaces each route that delegates by the delegate's routes, narrowed by the
// delegating match. A delegate that does not exist leaves no route.
using FindDelegate =
    std::function<std::shared_ptr<const config::VirtualService>(std::string_view ns, std::string_view name)>;
std::shared_ptr<const config::VirtualService> with_delegates(const std::shared_ptr<const config::VirtualService>& root,
                                                             const FindDelegate& find);

// The first rule with what the later ones (same host and namespace) add to it:
// their subsets, and a traffic policy where it has none.
std::shared_ptr<const config::DestinationRule> merged(const std::shared_ptr<const config::DestinationRule>& first,
                                                      const config::DestinationRule& later);

}  // namespace mesh
