// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

// For this room's .cpp files: OpenSSL's objects with an owner, and its errors as ours.
namespace identity::ssl {

template <auto free_function>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    free_function(object);
  }
};
template <typename T, auto free_function>
using Owned = std::unique_ptr<T, Free<free_function>>;

using Bio = Owned<BIO, BIO_free_all>;
using X509Ptr = Owned<X509, X509_free>;
using Request = Owned<X509_REQ, X509_REQ_free>;
using Number = Owned<BIGNUM, BN_free>;
using Store = Owned<X509_STORE, X509_STORE_free>;
using StoreContext = Owned<X509_STORE_CTX, X509_STORE_CTX_free>;
using DigestContext = Owned<EVP_MD_CTX, EVP_MD_CTX_free>;
using KeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using Extension = Owned<X509_EXTENSION, X509_EXTENSION_free>;
using Names = Owned<GENERAL_NAMES, GENERAL_NAMES_free>;
using EcdsaSignature = Owned<ECDSA_SIG, ECDSA_SIG_free>;

// The reader does not copy: `text` must outlive it.
Bio reader(std::string_view text);
Bio writer();
std::string written(BIO* bio);

// "what: OpenSSL's reason"; empties OpenSSL's error queue.
std::unexpected<base::Error> fail(base::ErrorKind kind, std::string_view what);

// Answers no passphrase, so that an encrypted key fails instead of asking on the terminal.
int no_passphrase(char*, int, int, void*);

}  // namespace identity::ssl
