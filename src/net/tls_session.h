// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "net/tls.h"

typedef struct ssl_st SSL;
typedef struct ssl_session_st SSL_SESSION;

namespace net {

// What connection.cpp and tls.cpp share about one OpenSSL session.

// The first error of this thread's OpenSSL queue, which is empty then.
std::string take_openssl_errors();

TlsPeer tls_peer_of(SSL* ssl);

// What is wrong with the peer's certificate, for the error that the handshake ends with.
void remember_refusal(SSL* ssl, TlsFailure what, std::string message);

// Sessions of this server in tickets sealed with its settings' keys; `names`: what its certificate is for.
base::Result<void> use_ticket_keys(SSL_CTX* context, const TlsSettings& settings, const std::string& names);

// What a full handshake's check would say today of the peer of a resumed session.
base::Result<void> check_resumed(SSL* ssl, const TlsSettings& settings);

// OpenSSL has a session for a client to keep; 1: it was taken.
int remember_session(SSL* ssl, SSL_SESSION* session);

}  // namespace net
