// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/ssl.h>

#include "net/connection.h"

namespace net {

// OpenSSL's side of a TLS connection. OpenSSL reads the socket through a BIO
// that first gives what was read before TLS began, and writes records into
// Connection::sealed_, so that many of them leave in one send.
struct Connection::Tls {
  ~Tls() { SSL_free(ssl); }

  std::shared_ptr<const TlsContext> context;
  SSL* ssl = nullptr;
  Buffer raw;  // read before TLS began
  bool end_of_file = false;
  bool notified = false;  // close_notify is written
  TlsFailure failure = TlsFailure::None;
  std::string refusal;  // check_peer's message
  std::unique_ptr<TlsPeer> peer;
  std::shared_ptr<TlsMemory> memory;  // nullptr: sessions are not kept
  std::string server_name;            // where they are
};

}  // namespace net
