// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "identity/jwt.h"
#include "identity/keys.h"

namespace identity {

// A JSON Web Key Set (RFC 7517), to verify tokens with: RS, PS and ES in 256,
// 384 and 512, and EdDSA with Ed25519 (RFC 7518, RFC 8037). Keys of other kinds
// are left out, RSA below 2048 bits too; symmetric keys are never taken.
class Jwks {
 public:
  enum class Problem { NotJson, NoKeys, BadKeys, NoValidKeys };
  // The error's message is the problem's name in Envoy's words ("Jwks is an invalid JSON"). NotFound: there would be
  // keys, but symmetric ones.
  static base::Result<Jwks> parse(std::string_view text);

  enum class Verdict { Good, NoKey, Bad };  // NoKey: none fits the token's kid and algorithm
  // The signature alone. A token that names a key is verified with that key, or with one that has no name; the
  // key's kind and curve decide which algorithms it may be used with, and its own "alg" if it has one.
  Verdict verify(const Jwt& token) const;
  size_t size() const { return keys_.size(); }

  static bool supports(std::string_view algorithm);

 private:
  struct Key {
    std::string id, algorithm, curve;  // curve: "RSA", "P-256", "P-384", "P-521", "Ed25519"
    PublicKey key;
  };
  static base::Result<Key> key_of(const base::Json& from);
  static bool verify_with(const Key& key, const Jwt& token);
  std::vector<Key> keys_;
};

}  // namespace identity
