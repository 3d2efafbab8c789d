// SPDX-License-Identifier: Apache-2.0
#include "mesh/credential.h"

#include "base/strings.h"
#include "identity/certificate.h"
#include "identity/pair.h"

namespace mesh {

// One key of a Secret; the first of the spellings that is there.
static std::string value_of(const objects::Object& secret, std::initializer_list<std::string_view> keys) {
  for (std::string_view key : keys)
    if (auto decoded = base::from_base64(base::text(secret.json(), "data", key)); decoded && !decoded->empty())
      return *decoded;
  return "";
}

Credential credential_of(const objects::Object& secret) {
  return {.certificate = value_of(secret, {"tls.crt", "cert"}),
          .key = value_of(secret, {"tls.key", "key"}),
          .authority = value_of(secret, {"ca.crt", "cacert"}),
          .revoked = value_of(secret, {"ca.crl", "crl"})};
}

std::string Credential::problem() const {
  if (!has_pair() && authority.empty()) return "it has neither tls.crt and tls.key nor ca.crt";
  if (has_pair())
    if (auto pair = identity::check_pair(certificate, key); !pair) return pair.error().message;
  if (!authority.empty())
    if (auto roots = identity::Certificate::chain_from_pem(authority); !roots)
      return "ca.crt cannot be read: " + roots.error().message;
  if (!revoked.empty())
    if (auto lists = identity::check_revocations(revoked); !lists) return "ca.crl: " + lists.error().message;
  return "";
}

}  // namespace mesh
