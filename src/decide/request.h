// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "decide/decide.h"
#include "proxy/listener/listener_config.h"

namespace decide {

// Where a client's connection goes and what it says there.
struct Dialled {
  net::Address address;
  http::RequestHead head;
};

// Resolves the URL's host as the workload's resolver would: by its DNS search
// list, to a Service's address or a headless pod's; a name that the mesh does
// not know gets an address outside of it. A gateway is dialled at its own port.
base::Result<Dialled> dial(const mesh::View& view, const Request& request);

}  // namespace decide
