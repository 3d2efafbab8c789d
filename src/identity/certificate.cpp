// SPDX-License-Identifier: Apache-2.0
#include "identity/certificate.h"

#include <arpa/inet.h>

#include "base/strings.h"
#include "identity/openssl.h"

namespace identity {

using base::ErrorKind;

namespace {

constexpr size_t kMaxChain = 64;

base::Result<WallTime> time_of(const ASN1_TIME* at) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(at, &parts) != 1) return ssl::fail(ErrorKind::Invalid, "the certificate's time does not parse");
  return WallClock::from_time_t(timegm(&parts));
}

std::string text_of(const X509_NAME* name) {
  auto out = ssl::writer();
  X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  return ssl::written(out.get());
}

std::string_view view(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)), static_cast<size_t>(ASN1_STRING_length(text))};
}

base::Result<void> read_names(X509* certificate, Certificate& out) {
  int critical = 0;
  ssl::Names names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, nullptr)));
  if (!names) {
    if (critical == -1) return {};  // there is none
    return ssl::fail(ErrorKind::Invalid, "the certificate's alternative names do not parse");
  }
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_IPADD) {
      const unsigned char* bytes = ASN1_STRING_get0_data(name->d.iPAddress);
      const int size = ASN1_STRING_length(name->d.iPAddress);
      char ip[INET6_ADDRSTRLEN];
      if ((size == 4 || size == 16) && inet_ntop(size == 4 ? AF_INET : AF_INET6, bytes, ip, sizeof ip))
        out.ip_names.emplace_back(ip);
    }
    if (name->type != GEN_URI && name->type != GEN_DNS) continue;
    std::string text(view(name->d.ia5));  // d.ia5 is both kinds' member
    if (text.find('\0') != text.npos)
      return base::fail(ErrorKind::Invalid, "an alternative name of the certificate contains a zero byte");
    (name->type == GEN_URI ? out.uri_names : out.dns_names).push_back(std::move(text));
  }
  return {};
}

base::Result<Certificate> read(X509* certificate) {
  Certificate out;
  unsigned char* der = nullptr;
  int size = i2d_X509(certificate, &der);
  if (size <= 0) return ssl::fail(ErrorKind::Invalid, "the certificate cannot be encoded");
  out.der.assign(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  out.subject = text_of(X509_get_subject_name(certificate));
  out.issuer = text_of(X509_get_issuer_name(certificate));
  ssl::Number serial(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  if (char* hex = serial ? BN_bn2hex(serial.get()) : nullptr) {
    out.serial = base::to_lower(hex);
    OPENSSL_free(hex);
  }
  out.not_before = TRY(time_of(X509_get0_notBefore(certificate)));
  out.not_after = TRY(time_of(X509_get0_notAfter(certificate)));
  out.is_authority = X509_check_ca(certificate) == 1;
  TRY(read_names(certificate, out));
  ERR_clear_error();
  return out;
}

}  // namespace

std::string Certificate::pem() const {
  auto out = ssl::writer();
  PEM_write_bio(out.get(), PEM_STRING_X509, "", reinterpret_cast<const unsigned char*>(der.data()),
                static_cast<long>(der.size()));
  return ssl::written(out.get());
}

base::Result<Certificate> Certificate::from_der(std::string_view der) {
  auto* at = reinterpret_cast<const unsigned char*>(der.data());
  ssl::X509Ptr certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (!certificate) return ssl::fail(ErrorKind::Invalid, "the certificate does not parse");
  if (at != reinterpret_cast<const unsigned char*>(der.data()) + der.size())
    return base::fail(ErrorKind::Invalid, "bytes follow the certificate");
  return read(certificate.get());
}

base::Result<std::vector<Certificate>> Certificate::chain_from_pem(std::string_view pem) {
  std::vector<Certificate> out;
  auto in = ssl::reader(pem);
  while (ssl::X509Ptr certificate{PEM_read_bio_X509(in.get(), nullptr, ssl::no_passphrase, nullptr)}) {
    if (out.size() == kMaxChain) return base::fail(ErrorKind::Exhausted, "more than 64 certificates in one text");
    out.push_back(TRY(read(certificate.get())));
  }
  unsigned long last = ERR_peek_last_error();
  bool at_end = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
  if (!at_end) return ssl::fail(ErrorKind::Invalid, "a certificate of the PEM text does not parse");
  ERR_clear_error();
  if (out.empty()) return base::fail(ErrorKind::Invalid, "no certificate in the PEM text");
  return out;
}

base::Result<Certificate> Certificate::from_pem(std::string_view pem) {
  ssl::X509Ptr certificate(PEM_read_bio_X509(ssl::reader(pem).get(), nullptr, ssl::no_passphrase, nullptr));
  if (!certificate) return ssl::fail(ErrorKind::Invalid, "no certificate in the PEM text");
  return read(certificate.get());
}

base::Result<void> verify_chain(std::string_view leaf, std::string_view intermediates, std::string_view roots,
                                WallTime now) {
  ssl::X509Ptr target(PEM_read_bio_X509(ssl::reader(leaf).get(), nullptr, ssl::no_passphrase, nullptr));
  if (!target) return ssl::fail(ErrorKind::Invalid, "the certificate to verify does not parse");
  ssl::Store store(X509_STORE_new());
  auto in = ssl::reader(roots);
  while (ssl::X509Ptr root{PEM_read_bio_X509(in.get(), nullptr, ssl::no_passphrase, nullptr)})
    X509_STORE_add_cert(store.get(), root.get());
  STACK_OF(X509)* between = sk_X509_new_null();
  auto more = ssl::reader(intermediates);
  while (X509* certificate = PEM_read_bio_X509(more.get(), nullptr, ssl::no_passphrase, nullptr))
    sk_X509_push(between, certificate);
  ERR_clear_error();
  ssl::StoreContext context(X509_STORE_CTX_new());
  int verified = 0;
  std::string reason = "out of memory";
  if (X509_STORE_CTX_init(context.get(), store.get(), target.get(), between) == 1) {
    X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context.get()), WallClock::to_time_t(now));
    verified = X509_verify_cert(context.get());
    reason = X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
  }
  sk_X509_pop_free(between, X509_free);
  ERR_clear_error();
  if (verified != 1) return base::fail(ErrorKind::Denied, "the certificate is not trusted: " + reason);
  return {};
}

}  // namespace identity
