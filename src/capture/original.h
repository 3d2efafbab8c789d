// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "net/address.h"

namespace capture {

// Where a redirected connection was going before the kernel changed its
// destination; nothing where it was not redirected.
std::optional<net::Address> original_destination(int fd);

}  // namespace capture
