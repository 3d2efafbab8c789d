// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "base/error.h"

namespace identity {

// Whether somebody can present them: certificates in order, and the private key of the first, not encrypted.
base::Result<void> check_pair(std::string_view chain_pem, std::string_view key_pem);

// Whether they are certificate revocation lists, at least one, each of which parses.
base::Result<void> check_revocations(std::string_view lists_pem);

}  // namespace identity
