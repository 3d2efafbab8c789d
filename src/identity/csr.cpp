// SPDX-License-Identifier: Apache-2.0
#include "identity/csr.h"

#include "identity/openssl.h"

namespace identity {

using base::ErrorKind;

base::Result<std::string> make_csr(const PrivateKey& key, std::string_view uri) {
  ssl::Request request(X509_REQ_new());
  if (!request || !X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) ||
      !X509_REQ_set_pubkey(request.get(), key.native()))
    return ssl::fail(ErrorKind::Internal, "no signing request could be made");
  if (!uri.empty()) {
    if (uri.find_first_of(",\n\r") != uri.npos)
      return base::fail(ErrorKind::Invalid, "a URI SAN with a comma or a line end");
    std::string value = "URI:" + std::string(uri);
    ssl::Extension names(X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, value.c_str()));
    if (!names) return ssl::fail(ErrorKind::Invalid, "the URI SAN is refused");
    STACK_OF(X509_EXTENSION)* list = sk_X509_EXTENSION_new_null();
    sk_X509_EXTENSION_push(list, names.get());
    bool added = X509_REQ_add_extensions(request.get(), list) == 1;
    sk_X509_EXTENSION_free(list);
    if (!added) return ssl::fail(ErrorKind::Internal, "the URI SAN was not added");
  }
  if (X509_REQ_sign(request.get(), key.native(), EVP_sha256()) <= 0)
    return ssl::fail(ErrorKind::Internal, "the signing request could not be signed");
  auto out = ssl::writer();
  PEM_write_bio_X509_REQ(out.get(), request.get());
  return ssl::written(out.get());
}

base::Result<PublicKey> key_of_csr(std::string_view pem) {
  if (pem.size() > kMaxCsr)
    return base::fail(ErrorKind::Exhausted, "the signing request has " + std::to_string(pem.size()) + " bytes; " +
                                                std::to_string(kMaxCsr) + " are taken");
  ssl::Request request(PEM_read_bio_X509_REQ(ssl::reader(pem).get(), nullptr, ssl::no_passphrase, nullptr));
  if (!request) return ssl::fail(ErrorKind::Invalid, "the signing request does not parse");
  EVP_PKEY* raw = X509_REQ_get_pubkey(request.get());
  if (!raw) return ssl::fail(ErrorKind::Invalid, "the signing request has no usable key");
  PublicKey key(raw);
  TRY(PublicKey::from_pem(key.pem()));  // the kinds and sizes that the mesh takes
  if (X509_REQ_verify(request.get(), raw) != 1)
    return ssl::fail(ErrorKind::Denied, "the signing request is not signed by the key it carries");
  return key;
}

}  // namespace identity
