// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "identity/keys.h"

namespace localkube {

// The keys and certificates of one cluster, kept in STATE/pki (mode 0600): its
// authority, the server's and the administrator's certificate, and the key that
// signs service account tokens. Missing or nearly expired ones are made anew;
// the authority and the token key stay, so that clients and tokens stay good.
struct Pki {
  std::string ca_certificate;  // PEM
  std::string server_certificate;
  std::string server_key;
  std::string admin_certificate;  // CN=kubernetes-admin, O=system:masters
  std::string admin_key;
  std::shared_ptr<const identity::PrivateKey> account_key;

  // `names`: DNS names and addresses for the server's certificate.
  static base::Result<Pki> open(const std::string& folder, const std::vector<std::string>& names);
};

// A file with mode 0600, written whole or not at all.
base::Result<void> write_private_file(const std::string& path, std::string_view text);

}  // namespace localkube
