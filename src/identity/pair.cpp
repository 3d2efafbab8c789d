// SPDX-License-Identifier: Apache-2.0
#include "identity/pair.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "identity/certificate.h"

namespace identity {

static base::Error wrong(std::string message) {
  ERR_clear_error();
  return {.kind = base::ErrorKind::Invalid, .message = std::move(message)};
}

base::Result<void> check_pair(std::string_view chain_pem, std::string_view key_pem) {
  auto chain = Certificate::chain_from_pem(chain_pem);
  if (!chain) return std::unexpected(wrong("the certificate cannot be read: " + chain.error().message));
  const std::string& der = chain->front().der;
  auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  std::unique_ptr<X509, decltype(&X509_free)> leaf(d2i_X509(nullptr, &bytes, static_cast<long>(der.size())), X509_free);
  std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())),
                                                BIO_free);
  auto no_passphrase = [](char*, int, int, void*) { return 0; };
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr) : nullptr, EVP_PKEY_free);
  if (!key) return std::unexpected(wrong("the private key cannot be read"));
  if (!leaf || X509_check_private_key(leaf.get(), key.get()) != 1)
    return std::unexpected(wrong("the private key is not the certificate's"));
  return {};
}

base::Result<void> check_revocations(std::string_view lists_pem) {
  std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(lists_pem.data(), static_cast<int>(lists_pem.size())),
                                                BIO_free);
  int count = 0;
  while (std::unique_ptr<X509_CRL, decltype(&X509_CRL_free)> list{
      bio ? PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr) : nullptr, X509_CRL_free})
    ++count;
  const unsigned long last = ERR_peek_last_error();
  const bool clean = ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (count == 0 || !clean) return std::unexpected(wrong("the revocation lists cannot be read"));
  return {};
}

}  // namespace identity
