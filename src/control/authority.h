// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "identity/certificate.h"
#include "kube/client.h"
#include "net/tls.h"

namespace control {

// The mesh's signer, from Secret `cacerts` (the user's own) or
// `istio-ca-secret`, which is made with a fresh root where neither is there.
// Waits and tries again while the API server cannot be asked: a second root
// would cut the mesh in two. A Secret that is there and does not fit is an error.
net::Task<base::Result<identity::Authority>> load_authority(kube::Client& api, std::string ns,
                                                            std::string trust_domain);

// The control plane's own serving certificate, signed by the mesh's signer for
// istiod's Service names and renewed at half its life, on the next connection.
class ServingCertificate {
 public:
  // `authority` outlives this.
  ServingCertificate(const identity::Authority& authority, std::vector<std::string> dns_names)
      : authority_(authority), dns_names_(std::move(dns_names)) {}

  // For a server's tls_source. `clients` asks for (does not demand) a certificate of the mesh, and
  // offers HTTP/2 alone.
  enum class For { Proxies, Webhooks };
  base::Result<std::shared_ptr<const net::TlsContext>> context(For use, identity::WallTime now);

  static std::vector<std::string> names(const std::string& ns, const std::string& revision);

 private:
  base::Result<void> renew(identity::WallTime now);

  const identity::Authority& authority_;
  const std::vector<std::string> dns_names_;
  identity::WallTime renew_at_{};
  std::shared_ptr<const net::TlsContext> proxies_, webhooks_;
};

// A word that follows from the authority's key, so that every control plane of the mesh has the same and nobody else
// can find it: by it the API server is known where it calls a webhook.
std::string webhook_word(const identity::Authority& authority);

}  // namespace control
