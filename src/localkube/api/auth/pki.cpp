// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/auth/pki.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/file.h"
#include "base/strings.h"

namespace localkube {

namespace {

constexpr int kDay = 24 * 3600;
constexpr int kAuthorityDays = 3650;
constexpr int kLeafDays = 365;
constexpr int kRenewDays = 30;  // before the end

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* value) const {
    Free(value);
  }
};
using X509Pointer = std::unique_ptr<X509, Freed<X509_free>>;
using BioPointer = std::unique_ptr<BIO, Freed<BIO_free_all>>;

struct Subject {
  std::string common_name;
  std::string organization;
};

X509Pointer parse(const std::string& pem) {
  BioPointer bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return X509Pointer(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

std::string pem_of(X509* certificate) {
  BioPointer bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  char* data = nullptr;
  long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

bool extend(X509* certificate, X509* issuer, int what, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

void name_it(X509_NAME* name, const Subject& subject) {
  auto add = [&](const char* field, const std::string& value) {
    if (!value.empty())
      X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.data()),
                                 static_cast<int>(value.size()), -1, 0);
  };
  add("O", subject.organization);
  add("CN", subject.common_name);
}

// `issuer` null: signed by itself, an authority.
base::Result<std::string> certify(const Subject& subject, const identity::PublicKey& key, X509* issuer,
                                  const identity::PrivateKey& signer, const std::string& usage,
                                  const std::string& names) {
  X509Pointer made(X509_new());
  bool authority = issuer == nullptr;
  unsigned char serial[16];
  bool good = RAND_bytes(serial, sizeof serial) == 1;
  serial[0] &= 0x7f;
  std::unique_ptr<BIGNUM, Freed<BN_free>> number(BN_bin2bn(serial, sizeof serial, nullptr));
  good = good && X509_set_version(made.get(), 2) == 1 &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(made.get()));
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -300);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), static_cast<long>(authority ? kAuthorityDays : kLeafDays) * kDay);
  good = good && X509_set_pubkey(made.get(), key.native()) == 1;
  name_it(X509_get_subject_name(made.get()), subject);
  X509* parent = authority ? made.get() : issuer;
  good = good && X509_set_issuer_name(made.get(), X509_get_subject_name(parent)) == 1;
  good =
      good && extend(made.get(), parent, NID_basic_constraints, authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  good = good && extend(made.get(), parent, NID_key_usage,
                        authority ? "critical,digitalSignature,keyCertSign,cRLSign"
                                  : "critical,digitalSignature,keyEncipherment");
  if (authority) good = good && extend(made.get(), parent, NID_subject_key_identifier, "hash");
  if (!usage.empty()) good = good && extend(made.get(), parent, NID_ext_key_usage, usage);
  if (!authority) good = good && extend(made.get(), parent, NID_authority_key_identifier, "keyid");
  if (!names.empty()) good = good && extend(made.get(), parent, NID_subject_alt_name, names);
  good = good && X509_sign(made.get(), signer.native(), EVP_sha256()) > 0;
  if (!good)
    return base::fail(base::ErrorKind::Internal, "OpenSSL could not make the certificate of " + subject.common_name);
  return pem_of(made.get());
}

std::string unusable(const std::string& path, std::string_view why) {
  return path + " " + std::string(why) +
         ": put the old one back, or start anew with `seine down --purge`, which deletes all objects";
}

base::Result<identity::PrivateKey> key_at(const std::string& path, identity::KeyType type, bool& fresh) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    return base::fail(base::ErrorKind::Invalid, unusable(path, "is a directory"));
  auto text = base::read_file(path);
  if (!text && text.error().kind != base::ErrorKind::NotFound)
    return base::fail(base::ErrorKind::Invalid, unusable(path, "cannot be read (" + text.error().message + ")"));
  if (text) {
    auto known = identity::PrivateKey::from_pem(*text);
    if (!known) return base::fail(base::ErrorKind::Invalid, unusable(path, "is not a private key in PEM"));
    return known;
  }
  auto key = identity::PrivateKey::generate(type);
  if (!key) return key;
  fresh = true;
  TRY(write_private_file(path, key->pem()));
  return key;
}

// Signed by this authority, for this key, with these names, and good for a while yet.
bool still_good(const std::string& pem, X509* authority, const identity::PrivateKey& key, const std::string& names,
                const std::string& names_then) {
  X509Pointer certificate = parse(pem);
  if (!certificate || (!names.empty() && names_then != names)) return false;
  std::time_t later = std::time(nullptr) + static_cast<std::time_t>(kRenewDays) * kDay;
  std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>> signer(X509_get_pubkey(authority));
  return X509_cmp_time(X509_get0_notAfter(certificate.get()), &later) > 0 &&
         X509_verify(certificate.get(), signer.get()) == 1 &&
         X509_check_private_key(certificate.get(), key.native()) == 1;
}

std::string alternative_names(const std::vector<std::string>& names) {
  std::vector<std::string> pieces;
  for (const std::string& name : names) {
    unsigned char buffer[16];
    bool address = inet_pton(AF_INET, name.c_str(), buffer) == 1 || inet_pton(AF_INET6, name.c_str(), buffer) == 1;
    std::string piece = (address ? "IP:" : "DNS:") + name;
    if (std::find(pieces.begin(), pieces.end(), piece) == pieces.end()) pieces.push_back(piece);
  }
  return base::join(pieces, ",");
}

}  // namespace

base::Result<void> write_private_file(const std::string& path, std::string_view text) {
  std::string fresh = path + ".new";
  ::unlink(fresh.c_str());
  int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return std::unexpected(base::system_error("create " + fresh, errno));
  bool good = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
  int error = errno;
  ::close(fd);
  if (!good) return std::unexpected(base::system_error("write " + fresh, error));
  if (::rename(fresh.c_str(), path.c_str()) != 0) return std::unexpected(base::system_error("rename " + fresh, errno));
  return {};
}

base::Result<Pki> Pki::open(const std::string& folder, const std::vector<std::string>& names) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed && std::filesystem::exists(folder) && !std::filesystem::is_directory(folder))
    return base::fail(base::ErrorKind::Invalid, unusable(folder, "is not a directory"));
  ::chmod(folder.c_str(), 0700);
  Pki pki;
  bool fresh = false;
  auto authority_key = TRY(key_at(folder + "/ca.key", identity::KeyType::EcP256, fresh));
  auto known = base::read_file(folder + "/ca.crt");
  if (fresh || !known) {
    pki.ca_certificate =
        TRY(certify({"localkube", "seine"}, authority_key.public_key(), nullptr, authority_key, "", ""));
    TRY(write_private_file(folder + "/ca.crt", pki.ca_certificate));
  } else {
    pki.ca_certificate = std::move(*known);
  }
  X509Pointer authority = parse(pki.ca_certificate);
  if (!authority) return base::fail(base::ErrorKind::Invalid, unusable(folder + "/ca.crt", "is not a PEM certificate"));
  if (X509_check_private_key(authority.get(), authority_key.native()) != 1)
    return base::fail(base::ErrorKind::Invalid, unusable(folder + "/ca.crt", "does not belong to ca.key beside it"));

  struct Leaf {
    const char* name;
    Subject subject;
    const char* usage;
    std::string names;
    std::string& certificate;
    std::string& key;
  };
  Leaf leaves[] = {
      {"server",
       {"kube-apiserver", ""},
       "serverAuth",
       alternative_names(names),
       pki.server_certificate,
       pki.server_key},
      {"admin", {"kubernetes-admin", "system:masters"}, "clientAuth", "", pki.admin_certificate, pki.admin_key}};
  for (Leaf& leaf : leaves) {
    std::string path = folder + "/" + leaf.name;
    auto key = TRY(key_at(path + ".key", identity::KeyType::EcP256, fresh));
    auto stored = base::read_file(path + ".crt");
    if (stored &&
        still_good(*stored, authority.get(), key, leaf.names, base::read_file(path + ".names").value_or(""))) {
      leaf.certificate = std::move(*stored);
    } else {
      leaf.certificate =
          TRY(certify(leaf.subject, key.public_key(), authority.get(), authority_key, leaf.usage, leaf.names));
      TRY(write_private_file(path + ".crt", leaf.certificate));
      if (!leaf.names.empty()) TRY(write_private_file(path + ".names", leaf.names));
    }
    leaf.key = key.pem();
  }
  auto account_key = TRY(key_at(folder + "/sa.key", identity::KeyType::EcP256, fresh));
  pki.account_key = std::make_shared<const identity::PrivateKey>(std::move(account_key));
  return pki;
}

}  // namespace localkube
