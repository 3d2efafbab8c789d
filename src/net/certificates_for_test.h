// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <string>
#include <vector>

namespace net {

// Certificates that tests make as they go: an authority and leaves that it
// signs. Valid from a minute ago for an hour, unless told otherwise.
class TestAuthority {
 public:
  struct Leaf {
    std::string certificate, key;  // PEM
  };

  explicit TestAuthority(const std::string& name = "test authority") : key_(EVP_EC_gen("P-256")) {
    certificate_ = make(name, key_, "critical,CA:TRUE", "", 3600, nullptr);
  }
  ~TestAuthority() {
    X509_free(certificate_);
    EVP_PKEY_free(key_);
  }
  TestAuthority(const TestAuthority&) = delete;

  std::string pem() const { return pem_of(certificate_); }

  // A revocation list of it, with these leaves.
  std::string revocation_list(const std::vector<Leaf>& revoked) const {
    X509_CRL* list = X509_CRL_new();
    X509_CRL_set_version(list, 1);
    X509_CRL_set_issuer_name(list, X509_get_subject_name(certificate_));
    ASN1_TIME* time = X509_gmtime_adj(nullptr, -60);
    X509_CRL_set1_lastUpdate(list, time);
    ASN1_TIME* next = X509_gmtime_adj(nullptr, 3600);
    X509_CRL_set1_nextUpdate(list, next);
    ASN1_TIME_free(next);
    for (const Leaf& leaf : revoked) {
      BIO* bio = BIO_new_mem_buf(leaf.certificate.data(), static_cast<int>(leaf.certificate.size()));
      X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
      X509_REVOKED* one = X509_REVOKED_new();
      X509_REVOKED_set_serialNumber(one, X509_get_serialNumber(certificate));
      X509_REVOKED_set_revocationDate(one, time);
      X509_CRL_add0_revoked(list, one);
      X509_free(certificate);
      BIO_free(bio);
    }
    ASN1_TIME_free(time);
    X509_CRL_sign(list, key_, EVP_sha256());
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509_CRL(bio, list);
    X509_CRL_free(list);
    return take(bio);
  }

  // `names` as OpenSSL writes them: "DNS:example.com,IP:127.0.0.1,URI:spiffe://a/b".
  Leaf leaf(const std::string& common_name, const std::string& names, long seconds = 3600) const {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = make(common_name, key, "CA:FALSE", names, seconds, this);
    Leaf out{pem_of(certificate), {}};
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
    out.key = take(bio);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return out;
  }

 private:
  static std::string take(BIO* bio) {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio, &bytes);
    std::string out(bytes, static_cast<size_t>(size));
    BIO_free(bio);
    return out;
  }
  static std::string pem_of(X509* certificate) {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate);
    return take(bio);
  }
  static void add(X509* certificate, int nid, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  static X509* make(const std::string& name, EVP_PKEY* key, const std::string& constraints, const std::string& names,
                    long seconds, const TestAuthority* issuer) {
    X509* out = X509_new();
    X509_set_version(out, 2);
    static long serial = 1;
    ASN1_INTEGER_set(X509_get_serialNumber(out), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(out), seconds < 0 ? 2 * seconds : -60);
    X509_gmtime_adj(X509_getm_notAfter(out), seconds);
    X509_set_pubkey(out, key);
    X509_NAME* subject = X509_get_subject_name(out);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(name.c_str()), -1,
                               -1, 0);
    X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>("seine tests"), -1,
                               -1, 0);
    X509_set_issuer_name(out, issuer ? X509_get_subject_name(issuer->certificate_) : subject);
    add(out, NID_basic_constraints, constraints);
    if (!names.empty()) add(out, NID_subject_alt_name, names);
    X509_sign(out, issuer ? issuer->key_ : key, EVP_sha256());
    return out;
  }

  EVP_PKEY* key_;
  X509* certificate_ = nullptr;
};

}  // namespace net
