// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "identity/keys.h"

namespace identity {

inline constexpr size_t kMaxCsr = 16 * 1024;  // bytes of PEM

// A PEM signing request for this key, with `uri` as its URI SAN (may be empty).
base::Result<std::string> make_csr(const PrivateKey& key, std::string_view uri);

// The key that a request asks a certificate for, once its signature shows that
// the sender holds the private half. Names in it are not even read: who someone
// is, is decided by how they authenticated.
base::Result<PublicKey> key_of_csr(std::string_view pem);

}  // namespace identity
