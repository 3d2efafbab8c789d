// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace proxy {

// An address of this machine that others may reach it by: the first IPv4 one that
// is no loopback's, or else IPv6; "127.0.0.1" where there is none.
std::string local_ip();

}  // namespace proxy
