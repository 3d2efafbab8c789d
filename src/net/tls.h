// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_session_st SSL_SESSION;

namespace net {

class TlsContext;

// What a finished handshake agreed on.
struct TlsPeer {
  std::string alpn;                        // empty: none
  std::string server_name;                 // SNI; empty: none
  std::string certificate_der;             // the peer's leaf; empty: none was given
  bool validated = false;                  // that leaf's chain, where there are roots, and whatever else is asked of it
  std::string common_name;                 // of that certificate's subject
  std::vector<std::string> organizations;  // of the subject
  std::vector<std::string> uri_names;      // its URI SANs
  std::vector<std::string> dns_names;      // its DNS SANs
  std::vector<std::string> ip_names;       // its IP SANs, as text
  bool resumed = false;                    // an earlier session, whose certificate this is
  // Static texts: "TLSv1.3"; "TLS_AES_128_GCM_SHA256" or, below 1.3, OpenSSL's word; "X25519", "P-256". Empty: unknown.
  const char* version = "";
  const char* cipher = "";
  const char* group = "";
  std::array<unsigned char, 32> session_id{};  // below TLS 1.3
  uint8_t session_id_size = 0;
  std::shared_ptr<const TlsContext> context;  // that this side used; see TlsContext::own
};

// What ended a TLS connection.
enum class TlsFailure : uint8_t {
  None,
  NoCertificate,  // the peer gave none
  Chain,          // its certificate leads to no root, is revoked, has expired, ...
  Hash,           // or has none of the expected hashes
  Name,           // or is not of whom TlsSettings::check_peer expects
  Other,          // the protocol, or the peer's alert; during the handshake, also its end without a word
};

// How one side of TLS behaves; PEM texts, not files. Immutable once made; many
// connections on any thread share one.
struct TlsSettings {
  std::string certificate_chain;  // leaf first; empty for a client without certificate
  std::string private_key;
  std::string trusted_roots;  // to verify the peer; empty: a client trusts nobody, a server asks for nothing
  // Revocation lists, which may stand among the roots too: with any, each certificate of a chain needs its issuer's.
  std::string revocation_lists;
  bool only_leaf_revoked = false;  // they are asked about the leaf alone
  bool expired_is_fine = false;
  // SHA-256 of the leaf, and of its public key's SubjectPublicKeyInfo: the peer's must be one of all of these.
  std::vector<std::string> certificate_hashes, key_hashes;  // 32 bytes each
  std::optional<int> max_depth;                             // intermediates in a chain, at most
  bool verify_peer = true;                                  // client: false only where the caller verifies by itself
  bool require_client_certificate = false;  // server; with roots and without this, a certificate is optional
  std::vector<std::string> alpn;            // in order of preference
  bool tls13_only = false;                  // else TLS 1.2 (ECDHE with AEAD) and 1.3
  bool tls12_only = false;
  std::string ciphers, groups;  // of TLS 1.2, and key exchange; in OpenSSL's words; empty: strong defaults

  // Client: the certificate must carry the name that is asked for. False: that name is SNI alone, and the
  // caller checks the peer's names itself once the handshake is done (meshes name peers by URI).
  bool check_server_name = true;

  // Sessions of TLS 1.3 may be resumed: without certificates again, with fresh keys. A resumed peer is held to its
  // certificate's end and to check_peer as before; whatever changes these settings is another context, which resumes
  // none of this one's sessions.
  bool resumable = false;
  // Server: the same of TLS 1.2 and 1.3 for every client, with sessions that are kept in tickets: the first of these
  // keys seals them, each one opens them (see check_ticket_keys). Contexts of the same names, roots, algorithms and
  // demands of clients take each other's, also across processes.
  std::vector<std::string> ticket_keys;
  std::optional<std::chrono::seconds> session_lifetime;

  // Server: a client must ask for a name that the certificate carries.
  bool require_server_name = false;

  // Called with what is known of the peer by its leaf certificate, once the chain was verified, and of whoever resumes
  // a session; an error ends the handshake. A server that has this, or hashes, needs a certificate of every client.
  std::function<base::Result<void>(const TlsPeer& leaf)> check_peer;

  bool needs_certificate() const {
    return require_client_certificate || check_peer || !certificate_hashes.empty() || !key_hashes.empty();
  }
};

// Whether TlsSettings may say so: an error names what is not known here.
base::Result<void> check_algorithms(const std::string& ciphers, const std::string& groups);

// Each has 80 bytes, as Envoy's: a name of 16, a key for HMAC-SHA256 of 32, a key for AES-256-CBC of 32.
base::Result<void> check_ticket_keys(const std::vector<std::string>& keys);

enum class TlsRole { Client, Server };

class TlsContext {
 public:
  // Errors name the part that does not parse or does not fit (key and certificate).
  static base::Result<std::shared_ptr<const TlsContext>> server(const TlsSettings& settings);
  static base::Result<std::shared_ptr<const TlsContext>> client(const TlsSettings& settings);

  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  SSL_CTX* native() const { return native_; }
  const TlsSettings& settings() const { return settings_; }
  TlsRole role() const { return role_; }
  // The leaf that this side shows, as its peers see it; without names where there is none.
  const TlsPeer& own() const { return own_; }
  // When the first certificate ends of those that this side shows and trusts; none: there are none.
  std::optional<std::chrono::system_clock::time_point> expires() const { return expires_; }

 private:
  TlsContext() = default;
  static base::Result<std::shared_ptr<const TlsContext>> make(const TlsSettings& settings, TlsRole role);

  SSL_CTX* native_ = nullptr;
  TlsSettings settings_;
  TlsRole role_ = TlsRole::Client;
  TlsPeer own_;
  std::optional<std::chrono::system_clock::time_point> expires_;
};

// What a client remembers of its last session with one peer, to resume it. Given
// to each connection to that peer; stays on their thread.
struct TlsMemory {
  TlsMemory() = default;
  ~TlsMemory() { forget(); }
  TlsMemory(const TlsMemory&) = delete;
  void forget();

  SSL_SESSION* session = nullptr;
  std::shared_ptr<const TlsContext> context;  // that it was made under
  std::string server_name;
};

}  // namespace net
