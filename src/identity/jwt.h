// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "identity/certificate.h"
#include "identity/keys.h"

namespace identity {

// A JSON Web Token (RFC 7519) in compact form, signed with ES256 or RS256;
// nothing else is spoken, least of all "none".
struct Jwt {
  base::Json header;
  base::Json claims;
  std::string signed_part;  // header.claims as it came
  std::string signature;    // decoded

  std::string_view algorithm() const { return base::text(header, "alg"); }
  std::string_view key_id() const { return base::text(header, "kid"); }
  std::string_view subject() const { return base::text(claims, "sub"); }
  std::string_view issuer() const { return base::text(claims, "iss"); }
  std::vector<std::string> audiences() const;  // "aud" as a string or a list

  // The shape alone: trust nothing of it before verify(). At most 16 KiB.
  static base::Result<Jwt> parse(std::string_view token);
  // The signature with this key (the key's type decides the algorithm, not the
  // token), then exp, nbf and iat against `now` with `leeway`. exp is required.
  base::Result<void> verify(const PublicKey& key, WallTime now,
                            std::chrono::seconds leeway = std::chrono::seconds(0)) const;
};

// A signed token: ES256 for an elliptic key, RS256 for RSA. `key_id` may be empty.
base::Result<std::string> sign_jwt(const base::Json& claims, const PrivateKey& key, std::string_view key_id);

// The public key as a JSON Web Key (RFC 7517) and back.
base::Json jwk_of(const PublicKey& key, std::string_view key_id);
base::Result<PublicKey> key_of_jwk(const base::Json& jwk);
// A stable name for a key: base64url of SHA-256 of its DER SubjectPublicKeyInfo, as Kubernetes' key ids.
std::string key_id_of(const PublicKey& key);

}  // namespace identity
