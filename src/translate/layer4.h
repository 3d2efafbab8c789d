// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "translate/listener.h"
#include "translate/route.h"

namespace translate {

// The tls and tcp routes of one VirtualService that can hold at `place`, in
// order; each tls match is one, its sniHosts are the server names.
std::vector<Layer4Route> tls_routes(const config::VirtualService& virtual_service, const Place& place);
std::vector<Layer4Route> tcp_routes(const config::VirtualService& virtual_service, const Place& place);

// One chain for it, matched by its server names and subnets.
FilterChain chain_of(const Layer4Route& route, const mesh::View& view);

// "10.0.0.0/8" of "10.1.2.3/8": blocks that are the same are written the same.
std::string canonical_block(const std::string& text);

// Whether a filter chain can be told apart by it: a wildcard stands for whole labels there.
bool is_server_name(std::string_view name);

}  // namespace translate
