// SPDX-License-Identifier: Apache-2.0
#include "identity/keys.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>

#include <cassert>

#include "identity/openssl.h"

namespace identity {

using base::ErrorKind;

namespace {

KeyType type_of(const EVP_PKEY* key) {
  return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA ? KeyType::Rsa2048 : KeyType::EcP256;
}

// The kinds and sizes that the mesh takes from outside.
base::Result<void> check(const EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
      if (int bits = EVP_PKEY_get_bits(key); bits < 2048 || bits > 8192)
        return base::fail(ErrorKind::Invalid,
                          "an RSA key of " + std::to_string(bits) + " bits; 2048 to 8192 are taken");
      return {};
    case EVP_PKEY_EC: {
      char group[64] = {};
      EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, nullptr);
      if (std::string_view name = group; name != "prime256v1" && name != "secp384r1")
        return base::fail(ErrorKind::Invalid,
                          "the elliptic curve \"" + std::string(name) + "\"; P-256 and P-384 are taken");
      return {};
    }
    default:
      return base::fail(ErrorKind::Invalid, "a key that is neither RSA nor elliptic (P-256, P-384)");
  }
}

}  // namespace

void detail::FreeKey::operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }

base::Result<PublicKey> PublicKey::from_pem(std::string_view pem) {
  EVP_PKEY* raw = nullptr;
  if (pem.find("-----BEGIN CERTIFICATE-----") != pem.npos) {
    ssl::X509Ptr certificate(PEM_read_bio_X509(ssl::reader(pem).get(), nullptr, ssl::no_passphrase, nullptr));
    if (!certificate) return ssl::fail(ErrorKind::Invalid, "the certificate does not parse");
    raw = X509_get_pubkey(certificate.get());
  } else {
    raw = PEM_read_bio_PUBKEY(ssl::reader(pem).get(), nullptr, ssl::no_passphrase, nullptr);
  }
  if (!raw) return ssl::fail(ErrorKind::Invalid, "the public key does not parse");
  PublicKey key(raw);
  TRY(check(raw));
  return key;
}

std::string PublicKey::pem() const {
  auto out = ssl::writer();
  PEM_write_bio_PUBKEY(out.get(), native());
  return ssl::written(out.get());
}

KeyType PublicKey::type() const { return type_of(native()); }

base::Result<PrivateKey> PrivateKey::generate(KeyType type) {
  EVP_PKEY* raw = type == KeyType::EcP256 ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048);
  if (!raw) return ssl::fail(ErrorKind::Internal, "no key could be generated");
  return PrivateKey(raw);
}

base::Result<PrivateKey> PrivateKey::from_pem(std::string_view pem) {
  EVP_PKEY* raw = PEM_read_bio_PrivateKey(ssl::reader(pem).get(), nullptr, ssl::no_passphrase, nullptr);
  if (!raw) return ssl::fail(ErrorKind::Invalid, "the private key does not parse");
  PrivateKey key(raw);
  TRY(check(raw));
  return key;
}

std::string PrivateKey::pem() const {
  auto out = ssl::writer();
  PEM_write_bio_PKCS8PrivateKey(out.get(), native(), nullptr, nullptr, 0, nullptr, nullptr);
  return ssl::written(out.get());
}

PublicKey PrivateKey::public_key() const {
  auto out = ssl::writer();
  i2d_PUBKEY_bio(out.get(), native());
  EVP_PKEY* raw = d2i_PUBKEY_bio(out.get(), nullptr);
  assert(raw && "a valid key has a public half");
  return PublicKey(raw);
}

KeyType PrivateKey::type() const { return type_of(native()); }

}  // namespace identity
