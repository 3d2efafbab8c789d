// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "identity/jwt.h"
#include "localkube/api/call.h"
#include "localkube/api/server.h"
#include "localkube/store/store.h"

namespace localkube {

inline constexpr const char* kIssuer = "https://kubernetes.default.svc.cluster.local";

// Signs and checks the tokens of service accounts. A token is good while its
// account, and the pod it is bound to, exist with the uids it names.
class Tokens {
 public:
  Tokens(const Store& store, std::shared_ptr<const identity::PrivateKey> key);

  Answer<Token> issue(const TokenOrder& order) const;

  struct Verdict {
    User user;
    std::vector<std::string> audiences;  // those of the token that were asked for
  };
  // `audiences`: at least one of them has to be the token's; none: the API server's own.
  base::Result<Verdict> check(std::string_view token, std::vector<std::string> audiences) const;

  // As at /openid/v1/jwks.
  Json key_set() const;

 private:
  const Store& store_;
  std::shared_ptr<const identity::PrivateKey> key_;
  identity::PublicKey public_key_;
  std::string key_id_;
};

}  // namespace localkube
