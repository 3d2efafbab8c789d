// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

typedef struct evp_pkey_st EVP_PKEY;

namespace identity {

enum class KeyType { EcP256, Rsa2048 };

namespace detail {
struct FreeKey {
  void operator()(EVP_PKEY* key) const;
};
}  // namespace detail

// The public half of a key.
class PublicKey {
 public:
  static base::Result<PublicKey> from_pem(std::string_view pem);  // "PUBLIC KEY", or the key of a "CERTIFICATE"
  explicit PublicKey(EVP_PKEY* owned) : native_(owned) {}

  std::string pem() const;  // SubjectPublicKeyInfo
  KeyType type() const;     // EcP256 for any elliptic curve key, Rsa2048 for RSA of any size
  EVP_PKEY* native() const { return native_.get(); }

 private:
  std::unique_ptr<EVP_PKEY, detail::FreeKey> native_;
};

// A key pair. Move-only, so that private keys are not spread by accident; the
// memory is wiped by OpenSSL when it is freed.
class PrivateKey {
 public:
  static base::Result<PrivateKey> generate(KeyType type);
  // PKCS#8, or the older "EC PRIVATE KEY" and "RSA PRIVATE KEY"; encrypted keys, RSA below 2048 bits and curves other
  // than P-256 and P-384 are refused.
  static base::Result<PrivateKey> from_pem(std::string_view pem);
  explicit PrivateKey(EVP_PKEY* owned) : native_(owned) {}

  std::string pem() const;  // PKCS#8
  PublicKey public_key() const;
  KeyType type() const;
  EVP_PKEY* native() const { return native_.get(); }

 private:
  std::unique_ptr<EVP_PKEY, detail::FreeKey> native_;
};

}  // namespace identity
