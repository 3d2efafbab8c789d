// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "objects/object.h"

namespace mesh {

// What a credentialName means: the parts of a Secret, decoded, in either of the spellings that Istio takes. Empty where
// the Secret has none.
struct Credential {
  std::string certificate, key;  // "tls.crt" and "tls.key", or "cert" and "key"
  std::string authority;         // "ca.crt" or "cacert"
  std::string revoked;           // "ca.crl" or "crl"

  bool has_pair() const { return !certificate.empty() && !key.empty(); }
  // Why nobody could present or trust it; empty: it is good. A proxy would refuse it, and wait.
  std::string problem() const;
};

Credential credential_of(const objects::Object& secret);

}  // namespace mesh
