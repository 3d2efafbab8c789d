// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "http/server.h"
#include "identity/spiffe.h"
#include "kube/client.h"

namespace control {

// Who is at the other end, proven.
struct Identity {
  std::string ns;
  std::string service_account;
  std::string pod;  // where a bound token names one; else empty
};

// Proves identities: a client certificate that this mesh signed (the TLS layer
// verified the chain), or a bearer token that the API server vouches for with
// the audience istio-ca. Never both; a token that fails is not forgiven because
// a certificate is there.
class Authenticator {
 public:
  Authenticator(kube::Client& client, std::string trust_domain)
      : client_(client), trust_domain_(std::move(trust_domain)) {}

  net::Task<base::Result<Identity>> authenticate(std::shared_ptr<http::Exchange> exchange) const;
  // By token alone, as the certificate authority wants it.
  net::Task<base::Result<Identity>> by_token(std::shared_ptr<http::Exchange> exchange) const;
  // By a token that came in some other way.
  net::Task<base::Result<Identity>> of_token(std::string token) const;

  // Whether the account may list the Secrets of its own namespace, as Istio wants it of a gateway that asks for
  // certificates by name. An error: nobody could be asked.
  net::Task<base::Result<bool>> may_read_secrets(Identity who) const;

 private:
  kube::Client& client_;
  std::string trust_domain_;
};

// "system:serviceaccount:NS:NAME" taken apart.
std::optional<Identity> identity_of_user(std::string_view user);

}  // namespace control
