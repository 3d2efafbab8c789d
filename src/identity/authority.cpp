// SPDX-License-Identifier: Apache-2.0
#include <openssl/rand.h>

#include <algorithm>

#include "base/strings.h"
#include "identity/certificate.h"
#include "identity/openssl.h"

namespace identity {

using base::ErrorKind;

namespace {

// Clocks of two machines differ; Istio's leaves begin two minutes early too.
constexpr std::chrono::minutes kBackdate{2};

// 128 random bits. The top bit stays clear, the next one set: positive, and always of full length.
bool set_serial(X509* certificate) {
  unsigned char bytes[16];
  if (RAND_bytes(bytes, sizeof bytes) != 1) return false;
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40);
  ssl::Number number(BN_bin2bn(bytes, sizeof bytes, nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate));
}

bool set_times(X509* certificate, WallTime from, WallTime until) {
  return ASN1_TIME_set(X509_getm_notBefore(certificate), WallClock::to_time_t(from)) &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), WallClock::to_time_t(until));
}

bool add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  ssl::Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// The names are put in as data, never through OpenSSL's configuration syntax.
// The subject is empty, so the extension is critical (RFC 5280, 4.2.1.6).
bool add_names(X509* certificate, const LeafRequest& request) {
  ssl::Names names(sk_GENERAL_NAME_new_null());
  auto add = [&](int type, const std::string& text) {
    GENERAL_NAME* name = GENERAL_NAME_new();
    ASN1_IA5STRING* value = ASN1_IA5STRING_new();
    ASN1_STRING_set(value, text.data(), static_cast<int>(text.size()));
    GENERAL_NAME_set0_value(name, type, value);
    return sk_GENERAL_NAME_push(names.get(), name) > 0;
  };
  for (const std::string& uri : request.uri_names) add(GEN_URI, uri);
  for (const std::string& dns : request.dns_names) add(GEN_DNS, dns);
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 1, X509V3_ADD_DEFAULT) == 1;
}

bool printable_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f; });
}

std::string pem_of(X509* certificate) {
  auto out = ssl::writer();
  PEM_write_bio_X509(out.get(), certificate);
  return ssl::written(out.get());
}

}  // namespace

base::Result<Authority> Authority::self_signed(std::string_view organization, KeyType type, WallTime now) {
  PrivateKey key = TRY(PrivateKey::generate(type));
  ssl::X509Ptr certificate(X509_new());
  X509* x509 = certificate.get();
  X509_NAME* name = X509_get_subject_name(x509);
  bool made =
      X509_set_version(x509, X509_VERSION_3) && set_serial(x509) &&
      set_times(x509, now - kBackdate, now + kRootLifetime) && X509_set_pubkey(x509, key.native()) &&
      X509_NAME_add_entry_by_NID(name, NID_organizationName, MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(organization.data()),
                                 static_cast<int>(organization.size()), -1, 0) &&
      X509_set_issuer_name(x509, name) && add_extension(x509, x509, NID_basic_constraints, "critical,CA:TRUE") &&
      add_extension(x509, x509, NID_key_usage, "critical,keyCertSign,cRLSign") &&
      add_extension(x509, x509, NID_subject_key_identifier, "hash") && X509_sign(x509, key.native(), EVP_sha256()) > 0;
  if (!made) return ssl::fail(ErrorKind::Internal, "no root certificate could be made");
  Authority out(std::move(key), pem_of(x509));
  out.root_pem_ = out.certificate_pem_;
  out.not_after_ = TRY(Certificate::from_pem(out.certificate_pem_)).not_after;
  return out;
}

base::Result<Authority> Authority::from_pem(std::string_view certificate, std::string_view key, std::string_view chain,
                                            std::string_view root, WallTime now) {
  PrivateKey secret = TRY(PrivateKey::from_pem(key));
  Certificate signer = TRY(Certificate::from_pem(certificate));
  if (!signer.is_authority)
    return base::fail(ErrorKind::Invalid,
                      "the certificate \"" + signer.subject + "\" may not sign others (no CA:TRUE)");
  if (TRY(PublicKey::from_pem(certificate)).pem() != secret.public_key().pem())
    return base::fail(ErrorKind::Invalid, "the key does not belong to the certificate \"" + signer.subject + "\"");
  Authority out(std::move(secret), signer.pem());
  out.not_after_ = signer.not_after;
  out.root_pem_ = root.empty() ? out.certificate_pem_ : std::string(root);
  TRY(verify_chain(out.certificate_pem_, chain, out.root_pem_, now));
  bool is_root = false;
  for (const Certificate& trusted : TRY(Certificate::chain_from_pem(out.root_pem_)))
    is_root = is_root || trusted.der == signer.der;
  if (is_root) return out;
  // The signer first, then what leads on; a chain file often has the signer itself, and the root, in it.
  out.chain_pem_ = out.certificate_pem_;
  if (base::trim(chain).empty()) return out;
  for (const Certificate& link : TRY(Certificate::chain_from_pem(chain)))
    if (link.der != signer.der && link.subject != link.issuer) out.chain_pem_ += link.pem();
  return out;
}

base::Result<std::string> Authority::sign(const PublicKey& key, const LeafRequest& request, WallTime now) const {
  if (request.uri_names.empty() && request.dns_names.empty())
    return base::fail(ErrorKind::Invalid, "a certificate without a name was asked for");
  for (const auto* names : {&request.uri_names, &request.dns_names})
    for (const std::string& name : *names)
      if (!printable_name(name))
        return base::fail(ErrorKind::Invalid, "a certificate's name has a control character or a blank");
  if (now >= not_after_) return base::fail(ErrorKind::Unavailable, "the signing certificate has expired");

  auto lifetime = request.lifetime.count() > 0 ? request.lifetime : kMaxLeafLifetime;
  WallTime until = std::min(now + std::min(lifetime, max_lifetime_), not_after_);
  ssl::X509Ptr issuer(PEM_read_bio_X509(ssl::reader(certificate_pem_).get(), nullptr, ssl::no_passphrase, nullptr));
  ssl::X509Ptr certificate(X509_new());
  if (!issuer || !certificate) return ssl::fail(ErrorKind::Internal, "no certificate could be made");
  X509* x509 = certificate.get();
  bool rsa = key.type() == KeyType::Rsa2048;
  bool made = X509_set_version(x509, X509_VERSION_3) && set_serial(x509) && set_times(x509, now - kBackdate, until) &&
              X509_set_pubkey(x509, key.native()) && X509_set_issuer_name(x509, X509_get_subject_name(issuer.get())) &&
              add_extension(x509, issuer.get(), NID_basic_constraints, "critical,CA:FALSE") &&
              add_extension(x509, issuer.get(), NID_key_usage,
                            rsa ? "critical,digitalSignature,keyEncipherment" : "critical,digitalSignature") &&
              add_extension(x509, issuer.get(), NID_ext_key_usage, "serverAuth,clientAuth") &&
              add_extension(x509, issuer.get(), NID_authority_key_identifier, "keyid") && add_names(x509, request) &&
              X509_sign(x509, key_.native(), EVP_sha256()) > 0;
  if (!made) return ssl::fail(ErrorKind::Internal, "the certificate could not be signed");
  return pem_of(x509);
}

}  // namespace identity
