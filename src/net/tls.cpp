// SPDX-License-Identifier: Apache-2.0
#include "net/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "net/tls_session.h"

namespace net {
namespace {

struct Free {
  void operator()(BIO* p) const { BIO_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(GENERAL_NAMES* p) const { GENERAL_NAMES_free(p); }
  void operator()(X509_CRL* p) const { X509_CRL_free(p); }
  void operator()(STACK_OF(X509_INFO) * p) const { sk_X509_INFO_pop_free(p, X509_INFO_free); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

constexpr char kTls12Ciphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr long kSessionSeconds = 3600;
constexpr long kMostSessions = 256;          // of a server; the oldest go first
constexpr int kMostCertificates = 100;       // of a chain: each takes its time, and every handshake carries them all
constexpr size_t kMostChainBytes = 1 << 20;  // as text
constexpr char kTls13Ciphers[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

std::unexpected<base::Error> refuse(const std::string& what) {
  std::string reason = take_openssl_errors();
  return base::fail(base::ErrorKind::Invalid, reason.empty() ? what : what + ": " + reason);
}

Owned<BIO> reader(const std::string& text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// The last good PEM block is followed by "no start line", which is no error.
bool clean_end() {
  const unsigned long error = ERR_peek_last_error();
  const bool clean = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  return clean;
}

// An encrypted key must not ask on the terminal.
int no_password(char*, int, int, void*) { return -1; }

base::Result<void> use_certificate(SSL_CTX* context, const TlsSettings& settings) {
  if (settings.certificate_chain.empty() && settings.private_key.empty()) return {};
  if (settings.certificate_chain.size() > kMostChainBytes) return refuse("certificate chain: more than 1 MiB");
  auto chain = reader(settings.certificate_chain);
  Owned<X509> leaf(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) return refuse("certificate chain");
  int count = 1;
  while (Owned<X509> next{PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr)}) {
    if (++count > kMostCertificates) return refuse("certificate chain: more than 100 certificates");
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1) return refuse("certificate chain");
  }
  if (!clean_end()) return refuse("certificate chain: a PEM block does not parse");
  auto text = reader(settings.private_key);
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(text.get(), nullptr, no_password, nullptr));
  if (!key) return refuse("private key");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return refuse("private key does not fit the certificate");
  }
  return {};
}

base::Result<void> use_revocations(X509_STORE* store, const TlsSettings& settings) {
  auto text = reader(settings.revocation_lists);
  int count = 0;
  while (Owned<X509_CRL> list{PEM_read_bio_X509_CRL(text.get(), nullptr, nullptr, nullptr)}) {
    if (X509_STORE_add_crl(store, list.get()) != 1) return refuse("revocation lists");
    ++count;
  }
  if (!clean_end() || count == 0) return refuse("revocation lists: a PEM block does not parse");
  return {};
}

base::Result<void> use_roots(SSL_CTX* context, const TlsSettings& settings, bool is_server) {
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  bool revokes = !settings.revocation_lists.empty();
  if (revokes) TRY(use_revocations(store, settings));
  if (settings.trusted_roots.empty()) return {};
  // A trusted intermediate is enough: meshes pin intermediates of a larger hierarchy.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  auto text = reader(settings.trusted_roots);
  Owned<STACK_OF(X509_INFO)> all(PEM_X509_INFO_read_bio(text.get(), nullptr, no_password, nullptr));
  int count = 0;
  for (int i = 0; all && i < sk_X509_INFO_num(all.get()); ++i) {
    const X509_INFO* one = sk_X509_INFO_value(all.get(), i);
    if (one->crl && X509_STORE_add_crl(store, one->crl) != 1) return refuse("trusted roots");
    revokes |= one->crl != nullptr;
    if (!one->x509) continue;
    if (X509_STORE_add_cert(store, one->x509) != 1) return refuse("trusted roots");
    if (is_server && SSL_CTX_add_client_CA(context, one->x509) != 1) return refuse("trusted roots");
    ++count;
  }
  if (count == 0) return refuse("trusted roots: a PEM block does not parse");
  ERR_clear_error();
  if (revokes)
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | (settings.only_leaf_revoked ? 0 : X509_V_FLAG_CRL_CHECK_ALL));
  if (settings.expired_is_fine) X509_STORE_set_flags(store, X509_V_FLAG_NO_CHECK_TIME);
  return {};
}

std::string der_of(X509* certificate) {
  unsigned char* bytes = nullptr;
  const int size = i2d_X509(certificate, &bytes);
  if (size <= 0) return {};
  std::string out(reinterpret_cast<char*>(bytes), static_cast<size_t>(size));
  OPENSSL_free(bytes);
  return out;
}

std::string text_of(const ASN1_STRING* value) {
  unsigned char* bytes = nullptr;
  const int size = ASN1_STRING_to_UTF8(&bytes, value);
  if (size < 0) return {};
  std::string out(reinterpret_cast<char*>(bytes), static_cast<size_t>(size));
  OPENSSL_free(bytes);
  return out;
}

void add_subject(X509* certificate, TlsPeer& peer) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  for (int i = 0; i < X509_NAME_entry_count(subject); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(subject, i);
    const int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (nid == NID_commonName) peer.common_name = text_of(X509_NAME_ENTRY_get_data(entry));
    if (nid == NID_organizationName) peer.organizations.push_back(text_of(X509_NAME_ENTRY_get_data(entry)));
  }
}

void add_alternative_names(X509* certificate, TlsPeer& peer) {
  Owned<GENERAL_NAMES> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_IPADD) {
      const unsigned char* bytes = ASN1_STRING_get0_data(name->d.iPAddress);
      const int size = ASN1_STRING_length(name->d.iPAddress);
      char text[INET6_ADDRSTRLEN];
      if ((size == 4 || size == 16) && inet_ntop(size == 4 ? AF_INET : AF_INET6, bytes, text, sizeof text))
        peer.ip_names.emplace_back(text);
    }
    if (name->type != GEN_URI && name->type != GEN_DNS) continue;
    const ASN1_IA5STRING* value = name->d.ia5;
    std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                     static_cast<size_t>(ASN1_STRING_length(value)));
    (name->type == GEN_URI ? peer.uri_names : peer.dns_names).push_back(std::move(text));
  }
}

// Whom a server's certificate is for.
std::string names_of(SSL_CTX* context) {
  TlsPeer own;
  X509* leaf = SSL_CTX_get0_certificate(context);
  add_subject(leaf, own);
  add_alternative_names(leaf, own);
  std::string out = own.common_name;
  for (const auto* names : {&own.uri_names, &own.dns_names, &own.ip_names})
    for (const std::string& name : *names) out += '\n' + name;
  return out;
}

std::string sha256(std::string_view bytes) {
  std::string out(EVP_MAX_MD_SIZE, 0);
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(out.data()), &size, EVP_sha256(), nullptr);
  out.resize(size);
  return out;
}

std::string key_of(X509* certificate) {
  unsigned char* bytes = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &bytes);
  if (size <= 0) return {};
  std::string out(reinterpret_cast<char*>(bytes), static_cast<size_t>(size));
  OPENSSL_free(bytes);
  return out;
}

void describe(X509* leaf, SSL* ssl, TlsPeer& out) {
  if (const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)) out.server_name = base::to_lower(name);
  out.certificate_der = der_of(leaf);
  add_subject(leaf, out);
  add_alternative_names(leaf, out);
}

// Its hashes and names.
base::Result<void> check_leaf(X509* leaf, SSL* ssl, const TlsSettings& settings, TlsFailure& what) {
  what = TlsFailure::Name;
  auto lists = [](const std::vector<std::string>& hashes, const std::string& hash) {
    return std::find(hashes.begin(), hashes.end(), hash) != hashes.end();
  };
  if (!leaf) return base::fail(base::ErrorKind::Denied, "the peer has no certificate");
  if (!settings.certificate_hashes.empty() || !settings.key_hashes.empty()) {
    const bool known =
        lists(settings.certificate_hashes, sha256(der_of(leaf))) || lists(settings.key_hashes, sha256(key_of(leaf)));
    what = TlsFailure::Hash;
    if (!known) return base::fail(base::ErrorKind::Denied, "the peer's certificate has none of the expected hashes");
    what = TlsFailure::Name;
  }
  if (!settings.check_peer) return {};
  TlsPeer peer;
  describe(leaf, ssl, peer);
  return settings.check_peer(peer);
}

// Instead of OpenSSL's own step: the chain, then the caller's check of the leaf.
int verify(X509_STORE_CTX* store, void* argument) {
  const auto& settings = *static_cast<const TlsSettings*>(argument);
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  // What is accepted all the same keeps its verdict, as the SSL's verify result.
  const bool look = settings.verify_peer || !settings.trusted_roots.empty();
  if (look && X509_verify_cert(store) != 1 && settings.verify_peer) return 0;
  TlsFailure what;
  auto checked = check_leaf(X509_STORE_CTX_get0_cert(store), ssl, settings, what);
  if (checked) return 1;
  X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  remember_refusal(ssl, what, std::move(checked.error().message));
  return 0;
}

int select_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
                unsigned int offered_size, void* argument) {
  const auto& settings = *static_cast<const TlsSettings*>(argument);
  const std::string_view all(reinterpret_cast<const char*>(offered), offered_size);
  for (const std::string& wanted : settings.alpn) {
    for (size_t at = 0; at < all.size();) {
      const size_t size = static_cast<unsigned char>(all[at]);
      if (all.substr(at + 1, size) == wanted) {
        *out = offered + at + 1;
        *out_size = static_cast<unsigned char>(size);
        return SSL_TLSEXT_ERR_OK;
      }
      at += 1 + size;
    }
  }
  return SSL_TLSEXT_ERR_NOACK;
}

base::Result<void> use_algorithms(SSL_CTX* context, const std::string& ciphers, const std::string& groups) {
  if (SSL_CTX_set_cipher_list(context, ciphers.empty() ? kTls12Ciphers : ciphers.c_str()) != 1)
    return refuse("cipher suites " + ciphers);
  if (SSL_CTX_set1_groups_list(context, groups.empty() ? "X25519:P-256:P-384" : groups.c_str()) != 1)
    return refuse("key exchange groups " + groups);
  return {};
}

// Whoever asks for no name, or for another's.
int demand_name(SSL* ssl, int* alert, void*) {
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  X509* own = SSL_get_certificate(ssl);
  if (name && own && X509_check_host(own, name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, nullptr) == 1)
    return SSL_TLSEXT_ERR_OK;
  *alert = SSL_AD_UNRECOGNIZED_NAME;
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

base::Result<void> set_up(SSL_CTX* context, const TlsSettings& settings, bool is_server) {
  SSL_CTX_set_min_proto_version(context, settings.tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION);
  if (settings.tls12_only) SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_PRIORITIZE_CHACHA);
  // A resumed session skips OpenSSL's check of the peer's certificate, so only who asks for it gets it.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  // Sessions are kept by the server, not inside of tickets: those would hold the peer's certificate, and OpenSSL
  // takes longer to read one than for the rest of the handshake.
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  if (!settings.resumable) {
    SSL_CTX_set_num_tickets(context, 0);
  } else if (is_server && settings.ticket_keys.empty()) {
    static constexpr unsigned char kSessions[] = "seine";
    SSL_CTX_set_session_id_context(context, kSessions, sizeof kSessions - 1);
    SSL_CTX_set_timeout(context, settings.session_lifetime ? settings.session_lifetime->count() : kSessionSeconds);
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_AUTO_CLEAR);
    SSL_CTX_sess_set_cache_size(context, kMostSessions);
  } else if (!is_server) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, remember_session);
  }
  SSL_CTX_set_max_early_data(context, 0);
  SSL_CTX_set_mode(context,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);
  if (SSL_CTX_set_ciphersuites(context, kTls13Ciphers) != 1) return refuse("TLS algorithms");
  TRY(use_algorithms(context, settings.ciphers, settings.groups));
  TRY(use_certificate(context, settings));
  TRY(use_roots(context, settings, is_server));
  if (settings.max_depth) SSL_CTX_set_verify_depth(context, *settings.max_depth);
  if (is_server && !settings.ticket_keys.empty()) TRY(use_ticket_keys(context, settings, names_of(context)));

  std::string wire;
  for (const std::string& name : settings.alpn) {
    if (name.empty() || name.size() > 255) return base::fail(base::ErrorKind::Invalid, "ALPN name: 1 to 255 bytes");
    wire += static_cast<char>(name.size());
    wire += name;
  }
  // The settings live in the TlsContext, which lives as long as its SSL_CTX.
  auto* argument = const_cast<TlsSettings*>(&settings);
  if (is_server) {
    if (settings.require_server_name) SSL_CTX_set_tlsext_servername_callback(context, demand_name);
    if (!wire.empty()) SSL_CTX_set_alpn_select_cb(context, select_alpn, argument);
    const bool needs = settings.needs_certificate();
    SSL_CTX_set_verify(context,
                       needs                             ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                       : !settings.trusted_roots.empty() ? SSL_VERIFY_PEER
                                                         : SSL_VERIFY_NONE,
                       nullptr);
  } else {
    if (!wire.empty() && SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(wire.data()),
                                                 static_cast<unsigned>(wire.size())) != 0) {
      return refuse("ALPN");
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  }
  SSL_CTX_set_cert_verify_callback(context, verify, argument);
  return {};
}

}  // namespace

base::Result<void> check_algorithms(const std::string& ciphers, const std::string& groups) {
  ERR_clear_error();
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_method()), &SSL_CTX_free);
  if (!context) return refuse("SSL_CTX_new");
  // One by one, and by name alone: OpenSSL passes over what it does not know, and takes words like "ALL".
  if (SSL_CTX_set_cipher_list(context.get(), "ALL:!aNULL") != 1) return refuse("SSL_CTX_set_cipher_list");
  std::set<std::string_view> known;
  const STACK_OF(SSL_CIPHER)* all = SSL_CTX_get_ciphers(context.get());
  for (int i = 0; i < sk_SSL_CIPHER_num(all); ++i) known.insert(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(all, i)));
  for (std::string_view name : base::split(ciphers, ':'))
    if (!ciphers.empty() && !known.contains(name))
      return base::fail(base::ErrorKind::Invalid, "cipher suite " + std::string(name) + " is not known");
  return use_algorithms(context.get(), ciphers, groups);
}

static std::optional<std::chrono::system_clock::time_point> first_end(SSL_CTX* context) {
  std::optional<std::chrono::system_clock::time_point> first;
  const auto look = [&](const X509* certificate) {
    tm parts{};
    if (!certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) return;
    const auto end = std::chrono::system_clock::from_time_t(timegm(&parts));
    if (!first || end < *first) first = end;
  };
  look(SSL_CTX_get0_certificate(context));
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(context, &chain);
  for (int i = 0; i < sk_X509_num(chain); ++i) look(sk_X509_value(chain, i));
  const STACK_OF(X509_OBJECT)* roots = X509_STORE_get0_objects(SSL_CTX_get_cert_store(context));
  for (int i = 0; i < sk_X509_OBJECT_num(roots); ++i) look(X509_OBJECT_get0_X509(sk_X509_OBJECT_value(roots, i)));
  return first;
}

base::Result<std::shared_ptr<const TlsContext>> TlsContext::make(const TlsSettings& settings, TlsRole role) {
  std::shared_ptr<TlsContext> out(new TlsContext);
  out->settings_ = settings;
  out->role_ = role;
  ERR_clear_error();
  out->native_ = SSL_CTX_new(role == TlsRole::Server ? TLS_server_method() : TLS_client_method());
  if (!out->native_) return refuse("SSL_CTX_new");
  if (role == TlsRole::Server && settings.certificate_chain.empty()) {
    return base::fail(base::ErrorKind::Invalid, "certificate chain: a server needs one");
  }
  TRY(set_up(out->native_, out->settings_, role == TlsRole::Server));
  if (X509* leaf = SSL_CTX_get0_certificate(out->native_)) {
    out->own_.certificate_der = der_of(leaf);
    add_subject(leaf, out->own_);
    add_alternative_names(leaf, out->own_);
  }
  out->expires_ = first_end(out->native_);
  return out;
}

base::Result<std::shared_ptr<const TlsContext>> TlsContext::server(const TlsSettings& settings) {
  return make(settings, TlsRole::Server);
}

base::Result<std::shared_ptr<const TlsContext>> TlsContext::client(const TlsSettings& settings) {
  return make(settings, TlsRole::Client);
}

void TlsMemory::forget() {
  SSL_SESSION_free(session);
  session = nullptr;
  context.reset();
}

base::Result<void> check_resumed(SSL* ssl, const TlsSettings& settings) {
  X509* leaf = SSL_get0_peer_certificate(ssl);
  if (!leaf) {
    if (!settings.needs_certificate()) return {};
    return base::fail(base::ErrorKind::Denied, "the resumed session has no certificate of the peer");
  }
  if (settings.verify_peer && !settings.expired_is_fine && X509_cmp_current_time(X509_get0_notAfter(leaf)) <= 0)
    return base::fail(base::ErrorKind::Denied, "certificate verify failed: certificate has expired");
  TlsFailure what;
  return check_leaf(leaf, ssl, settings, what);
}

TlsContext::~TlsContext() { SSL_CTX_free(native_); }

// In the words that lists of groups are written in.
static const char* group_name(int nid) {
  switch (nid) {
    case NID_X25519:
      return "X25519";
    case NID_X9_62_prime256v1:
      return "P-256";
    case NID_secp384r1:
      return "P-384";
    case NID_secp521r1:
      return "P-521";
    default:
      return "";
  }
}

std::string take_openssl_errors() {
  std::string out;
  while (const unsigned long error = ERR_get_error()) {
    const char* reason = ERR_reason_error_string(error);
    if (out.empty()) out = reason ? reason : "OpenSSL error " + std::to_string(error);
  }
  return out;
}

TlsPeer tls_peer_of(SSL* ssl) {
  TlsPeer out;
  out.resumed = SSL_session_reused(ssl) == 1;
  out.version = SSL_get_version(ssl);
  out.cipher = SSL_get_cipher_name(ssl);
  out.group = group_name(SSL_get_negotiated_group(ssl));
  if (const SSL_SESSION* session = SSL_get_session(ssl); session && SSL_version(ssl) < TLS1_3_VERSION) {
    unsigned size = 0;
    const unsigned char* id = SSL_SESSION_get_id(session, &size);
    out.session_id_size = static_cast<uint8_t>(std::min<size_t>(size, out.session_id.size()));
    std::copy_n(id, out.session_id_size, out.session_id.begin());
  }
  const unsigned char* alpn = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl, &alpn, &size);
  if (size) out.alpn.assign(reinterpret_cast<const char*>(alpn), size);
  if (const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)) out.server_name = base::to_lower(name);
  if (X509* certificate = SSL_get0_peer_certificate(ssl)) {
    describe(certificate, ssl, out);
    out.validated = SSL_get_verify_result(ssl) == X509_V_OK;
  }
  return out;
}

}  // namespace net
