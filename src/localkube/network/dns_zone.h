// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/api/api.h"
#include "localkube/network/dns_message.h"

namespace localkube::dns {

// What cluster.local says, straight from the API's objects. reference:
// Kubernetes DNS-based service discovery 1.1: Services, headless Services with
// their pods' addresses and host names, named ports (SRV), pod addresses.
// nullopt: the name lies outside.
std::optional<Reply> look_up(const Api& api, const std::string& name, Type type);

}  // namespace localkube::dns
