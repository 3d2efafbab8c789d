// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "localkube/api/metadata.h"
#include "net/address.h"

namespace localkube {

// Checks of values that Services and their endpoints share, in the API's own words.

void check_name(const std::string& path, NameRule rule, const std::string& name, Problems& problems);
void check_port(const std::string& path, const Json* value, Problems& problems);
void check_protocol(const std::string& path, const Json& port, Problems& problems);
// An address that traffic may be sent to: none of this machine alone or of its
// links. IPv4 with leading zeros and IPv4 inside IPv6 are not taken: whoever
// reads them next may read another address.
std::optional<net::Address> check_endpoint_ip(const std::string& path, const Json& value, Problems& problems);

}  // namespace localkube
