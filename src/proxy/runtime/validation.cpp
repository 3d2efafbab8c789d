// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/validation.h"

#include <charconv>
#include <tuple>

#include "base/strings.h"
#include "proxy/runtime/compile.h"

namespace proxy {

namespace tls = envoy::extensions::transport_sockets::tls::v3;

namespace {

std::unexpected<base::Error> wrong(const std::string& what) { return base::fail(base::ErrorKind::Invalid, what); }

base::Result<void> take_contents(core::DataSource& from, const char* what) {
  std::string text = TRY(compile(from));
  if (base::trim(text).empty())
    return wrong(std::string("Failed to load ") + what + " from " +
                 (from.has_filename() ? from.filename() : "<inline>") + ": nothing is there");
  from.Clear();
  from.set_inline_bytes(std::move(text));
  return {};
}

base::Result<SanMatch> compile(const tls::SubjectAltNameMatcher& from) {
  SanMatch out{.match = TRY(proxy::compile(from.matcher()))};
  switch (from.san_type()) {
    case tls::SubjectAltNameMatcher::URI:
      out.type = SanMatch::Type::Uri;
      return out;
    case tls::SubjectAltNameMatcher::DNS:
      out.type = SanMatch::Type::Dns;
      return out;
    case tls::SubjectAltNameMatcher::IP_ADDRESS:
      out.type = SanMatch::Type::Ip;
      return out;
    default:
      return wrong("only URI, DNS and IP_ADDRESS subject alternative names can be matched");
  }
}

// "df6ff72f..." or "DF:6F:F7:2F:...", as OpenSSL writes it.
base::Result<std::string> hash_of(const std::string& text) {
  std::string digits = text;
  if (digits.size() == 95) std::erase(digits, ':');
  std::string out(32, '\0');
  for (size_t i = 0; i < out.size() && digits.size() == 64; ++i) {
    unsigned byte = 0;
    const char* at = digits.data() + 2 * i;
    if (std::from_chars(at, at + 2, byte, 16).ptr != at + 2) break;
    out[i] = static_cast<char>(byte);
    if (i == 31) return out;
  }
  return wrong("verify_certificate_hash: Invalid hex-encoded SHA-256 " + text);
}

base::Result<std::string> key_hash_of(const std::string& text) {
  auto out = base::from_base64(text);
  if (!out || out->size() != 32) return wrong("verify_certificate_spki: Invalid base64-encoded SHA-256 " + text);
  return *out;
}

}  // namespace

base::Result<tls::CertificateValidationContext> with_contents(tls::CertificateValidationContext from) {
  if (from.has_trusted_ca()) TRY(take_contents(*from.mutable_trusted_ca(), "trusted CA certificates"));
  if (from.has_crl()) TRY(take_contents(*from.mutable_crl(), "CRL"));
  return from;
}

base::Result<void> compile(const tls::CertificateValidationContext& from, net::TlsSettings& out) {
  std::vector<SanMatch> sans;
  for (const auto& matcher : from.match_subject_alt_names()) sans.push_back({.match = TRY(proxy::compile(matcher))});
  for (const auto& matcher : from.match_typed_subject_alt_names()) sans.push_back(TRY(compile(matcher)));
  for (const auto& hash : from.verify_certificate_hash()) out.certificate_hashes.push_back(TRY(hash_of(hash)));
  for (const auto& hash : from.verify_certificate_spki()) out.key_hashes.push_back(TRY(key_hash_of(hash)));
  out.trusted_roots = from.trusted_ca().inline_bytes();
  out.revocation_lists = from.crl().inline_bytes();
  out.only_leaf_revoked = from.only_verify_leaf_cert_crl();
  if (from.has_max_verify_depth()) out.max_depth = static_cast<int>(from.max_verify_depth().value());
  out.expired_is_fine = from.allow_expired_certificate();
  out.verify_peer =
      from.has_trusted_ca() && from.trust_chain_verification() == tls::CertificateValidationContext::VERIFY_TRUST_CHAIN;
  if (sans.empty()) return {};
  out.check_peer = [sans = std::move(sans)](const net::TlsPeer& peer) -> base::Result<void> {
    if (carries_name(sans, peer)) return {};
    return base::fail(base::ErrorKind::Denied, std::string(kNoExpectedName));
  };
  return {};
}

base::Result<void> check_whole(const tls::CertificateValidationContext& whole, const TlsSpec& spec) {
  const bool pinned = whole.verify_certificate_hash_size() || whole.verify_certificate_spki_size();
  if (!whole.has_trusted_ca()) {
    if (whole.match_subject_alt_names_size() || whole.match_typed_subject_alt_names_size())
      return wrong("SAN-based verification of peer certificates without trusted CA is insecure and not allowed");
    if (whole.has_crl()) return wrong("Failed to load CRL from <inline> without trusted CA");
    if (whole.allow_expired_certificate())
      return wrong("Certificate validity period is always ignored without trusted CA");
    if (spec.server && spec.require_client_certificate && !pinned)
      return wrong("client certificates are required and nothing is there to verify them against");
    // Where nothing is asked a client trusts everybody, as in Envoy; who names a secret asks for something.
    if (!spec.validation_secret.empty() && !pinned &&
        whole.trust_chain_verification() == tls::CertificateValidationContext::VERIFY_TRUST_CHAIN)
      return wrong("secret " + spec.validation_secret + " has nothing to verify a peer with: no trusted_ca, no hash");
  }
  return {};
}

tls::CertificateValidationContext default_validation(const TlsSpec& spec) {
  tls::CertificateValidationContext out;
  out.ParseFromString(spec.validation);
  return out;
}

base::Result<void> check_secret(const tls::Secret& secret, const std::string& name, const std::vector<TlsSpec>& users) {
  for (const TlsSpec& spec : users)
    for (const auto& [wanted, there, what] :
         {std::tuple{&spec.certificate_secret, secret.has_tls_certificate(), "certificate"},
          {&spec.validation_secret, secret.has_validation_context(), "validation context"},
          {&spec.ticket_keys_secret, secret.has_session_ticket_keys(), "ticket keys"}})
      if (*wanted == name && !there) return wrong(std::string("a ") + what + " is asked for, and it has none");
  net::TlsSettings settings;
  if (secret.has_tls_certificate())
    TRY(compile(secret.tls_certificate(), settings.certificate_chain, settings.private_key));
  if (secret.has_validation_context()) {
    auto validation = TRY(with_contents(secret.validation_context()));
    TRY(compile(validation, settings));
    for (const TlsSpec& spec : users) {
      if (spec.validation_secret != name) continue;
      auto whole = default_validation(spec);
      whole.MergeFrom(validation);
      TRY(check_whole(whole, spec));
    }
  }
  if (secret.has_session_ticket_keys()) TRY(proxy::compile(secret.session_ticket_keys()));
  settings.verify_peer = false;
  TRY(net::TlsContext::client(settings));
  return {};
}

base::Result<void> compile(const tls::TlsCertificate& from, std::string& chain, std::string& key) {
  core::DataSource sources[] = {from.certificate_chain(), from.private_key()};
  TRY(take_contents(sources[0], "certificate chain"));
  TRY(take_contents(sources[1], "private key"));
  chain = sources[0].inline_bytes();
  key = sources[1].inline_bytes();
  return {};
}

}  // namespace proxy
