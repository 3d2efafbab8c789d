// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "proxy/listener/listener_config.h"
#include "proxy/route/route.h"

namespace proxy {

// For requests that the proxy makes itself: they are right as they are, and go by these routes, whatever their host.
HttpConfig own_requests(std::string name, std::vector<Route> routes);

}  // namespace proxy
