// SPDX-License-Identifier: Apache-2.0
#include "proxy/listener/client_hello.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <optional>
#include <string>

#include "base/strings.h"
#include "fuzz/require.h"

using fuzz::require;
using proxy::ClientHello;
using proxy::Look;

namespace {

// What OpenSSL, who would serve the connection, reads as the server's name; none: it came to no name.
struct Judge {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  std::optional<std::string> name;

  Judge() {
    SSL_CTX_set_tlsext_servername_callback(context, on_name);
    SSL_CTX_set_tlsext_servername_arg(context, this);
  }
  static int on_name(SSL* ssl, int* alert, void* self) {
    if (const char* found = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)) static_cast<Judge*>(self)->name = found;
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_TLSEXT_ERR_ALERT_FATAL;  // nothing more is wanted of it
  }
  void read(std::string_view bytes) {
    name.reset();
    SSL* ssl = SSL_new(context);
    BIO* in = BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size()));
    SSL_set_bio(ssl, in, BIO_new(BIO_s_mem()));
    SSL_accept(ssl);
    SSL_free(ssl);
    ERR_clear_error();
  }
};

}  // namespace

// A connection's first bytes. What the inspectors say does not change when more comes, and a name that OpenSSL would
// find is the name by which the filter chain was chosen.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 4096) return 0;
  static Judge judge;
  const std::string_view bytes = fuzz::text_of(data, size);
  ClientHello hello;
  const Look look = ClientHello::parse(bytes, hello);
  std::string_view protocol;
  const Look http = proxy::look_for_http(bytes, protocol);
  require(look != Look::Yes || http != Look::Yes);
  for (size_t at = 0, step = size / 64 + 1; at < size; at += step) {
    ClientHello part;
    const Look early = ClientHello::parse(bytes.substr(0, at), part);
    require(early == Look::NeedMore || early == look);
    if (early == Look::Yes) require(part.server_name == hello.server_name && part.protocols == hello.protocols);
    std::string_view part_protocol;
    const Look early_http = proxy::look_for_http(bytes.substr(0, at), part_protocol);
    require(early_http == Look::NeedMore || early_http == http);
    if (early_http == Look::Yes) require(part_protocol == protocol);
  }
  if (bytes.empty() || bytes[0] != 0x16) return 0;
  judge.read(bytes);
  if (judge.name) require(look == Look::Yes && hello.server_name == base::to_lower(*judge.name));
  return 0;
}
