// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "base/error.h"

namespace identity {

// Whether somebody can present them: certificates in order, and the private key of the first, not encrypted.
base::Result<void> check_pair(std::string_view chain_pem, std::string_view key_pem);

}  // namespace identity
