// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <cstring>

#include "net/tls_session.h"

namespace net {
namespace {

constexpr size_t kName = 16, kKey = 32;
constexpr long kSessionSeconds = 7200;
enum : int { kFailed = -1, kUnknown = 0, kDone = 1, kDoneAndStale = 2 };  // what OpenSSL wants to hear

bool set_mac(EVP_MAC_CTX* mac, const std::string& key) {
  char digest[] = "SHA256";
  OSSL_PARAM params[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, const_cast<char*>(key.data() + kName), kKey),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, params) == 1;
}

const unsigned char* cipher_key(const std::string& key) {
  return reinterpret_cast<const unsigned char*>(key.data()) + kName + kKey;
}

// Prepares OpenSSL to seal a ticket or to open one (RFC 5077, 4).
int on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int seals) {
  const auto& settings = *static_cast<const TlsSettings*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  if (seals) {
    const std::string& key = settings.ticket_keys.front();
    std::memcpy(name, key.data(), kName);
    const bool ready = RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
                       EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, cipher_key(key), iv) == 1 &&
                       set_mac(mac, key);
    return ready ? kDone : kFailed;
  }
  for (const std::string& key : settings.ticket_keys) {
    if (std::memcmp(name, key.data(), kName) != 0) continue;
    if (!set_mac(mac, key) || EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, cipher_key(key), iv) != 1)
      return kFailed;
    return &key == &settings.ticket_keys.front() ? kDone : kDoneAndStale;
  }
  return kUnknown;
}

}  // namespace

base::Result<void> check_ticket_keys(const std::vector<std::string>& keys) {
  for (const std::string& key : keys)
    if (key.size() != kName + 2 * kKey)
      return base::fail(base::ErrorKind::Invalid, "a session ticket key has " + std::to_string(key.size()) +
                                                      " bytes; " + std::to_string(kName + 2 * kKey) + " are needed");
  return {};
}

base::Result<void> use_ticket_keys(SSL_CTX* context, const TlsSettings& settings, const std::string& names) {
  TRY(check_ticket_keys(settings.ticket_keys));
  // Who may take up a session: only a server of the same names that asks clients for the same. Everything that decides
  // whether a chain or a handshake is good stands here, for there is none again; what is asked of the leaf is asked
  // again.
  std::string about;
  const auto add = [&about](std::string_view part) { about += std::to_string(part.size()).append(":").append(part); };
  add(names);
  add(settings.trusted_roots);
  add(settings.revocation_lists);
  add(settings.ciphers);
  add(settings.groups);
  add(settings.max_depth ? std::to_string(*settings.max_depth) : "");
  for (const bool flag :
       {settings.needs_certificate(), settings.only_leaf_revoked, settings.verify_peer, settings.expired_is_fine,
        settings.require_server_name, settings.tls12_only, settings.tls13_only})
    add(flag ? "1" : "0");
  for (const std::string& protocol : settings.alpn) add(protocol);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(about.data(), about.size(), digest, &size, EVP_sha256(), nullptr) != 1 ||
      SSL_CTX_set_session_id_context(context, digest, size) != 1 ||
      SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket) != 1)
    return base::fail(base::ErrorKind::Internal, "session tickets: " + take_openssl_errors());
  SSL_CTX_set_app_data(context, const_cast<TlsSettings*>(&settings));
  SSL_CTX_clear_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 2);
  SSL_CTX_set_timeout(context, settings.session_lifetime ? settings.session_lifetime->count() : kSessionSeconds);
  return {};
}

}  // namespace net
