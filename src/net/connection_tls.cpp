// SPDX-License-Identifier: Apache-2.0
#include "net/connection_tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "net/tls_session.h"

namespace net {
namespace {

constexpr size_t kSealAtOnce = 64 * 1024;  // plain bytes turned into records before they are sent
constexpr size_t kRecord = 16 * 1024;
constexpr size_t kLeastRoom = 4 * 1024;  // OpenSSL keeps what does not fit

}  // namespace

struct TlsBio {
  using Tls = Connection::Tls;
  static Connection& connection(BIO* bio) { return *static_cast<Connection*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* out, int size) {
    Connection& c = connection(bio);
    BIO_clear_retry_flags(bio);
    const auto wanted = static_cast<size_t>(size);
    if (Buffer& raw = c.tls_->raw; !raw.empty()) {
      const size_t count = std::min(wanted, raw.size());
      std::memcpy(out, raw.data(), count);
      raw.consume(count);
      raw.recycle();
      return static_cast<int>(count);
    }
    if (c.readable_) {
      const ssize_t count = recv(c.fd_, out, wanted, 0);
      if (count > 0) {
        if (static_cast<size_t>(count) < wanted && !c.hung_up_) c.readable_ = false;
        return static_cast<int>(count);
      }
      if (count == 0) {
        c.tls_->end_of_file = true;
        return 0;
      }
      if (errno != EAGAIN && errno != EINTR) {
        c.read_errno_ = errno;
        return -1;
      }
      c.readable_ = errno == EINTR;
    }
    BIO_set_retry_read(bio);
    return -1;
  }

  static int write(BIO* bio, const char* bytes, int size) {
    BIO_clear_retry_flags(bio);
    connection(bio).sealed_.append({bytes, static_cast<size_t>(size)});
    return size;
  }

  static long control(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_FLUSH) return 1;
    if (command == BIO_CTRL_EOF) return connection(bio).tls_->end_of_file ? 1 : 0;
    return 0;
  }

  static BIO* make(Connection& connection) {
    static BIO_METHOD* const method = [] {  // constant once made
      BIO_METHOD* out = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
      BIO_meth_set_read(out, read);
      BIO_meth_set_write(out, write);
      BIO_meth_set_ctrl(out, control);
      return out;
    }();
    BIO* bio = BIO_new(method);
    BIO_set_data(bio, &connection);
    BIO_set_init(bio, 1);
    return bio;
  }

  static int keep_session(SSL* ssl, SSL_SESSION* session) {
    Tls& tls = *static_cast<Connection*>(SSL_get_app_data(ssl))->tls_;
    if (!tls.memory || SSL_version(ssl) < TLS1_3_VERSION) return 0;
    tls.memory->forget();
    tls.memory->session = session;
    tls.memory->context = tls.context;
    tls.memory->server_name = tls.server_name;
    return 1;  // it is ours now
  }
  static void refuse(SSL* ssl, TlsFailure what, std::string message) {
    Tls& tls = *static_cast<Connection*>(SSL_get_app_data(ssl))->tls_;
    tls.failure = what;
    tls.refusal = std::move(message);
  }
};

int remember_session(SSL* ssl, SSL_SESSION* session) { return TlsBio::keep_session(ssl, session); }
void remember_refusal(SSL* ssl, TlsFailure what, std::string message) { TlsBio::refuse(ssl, what, std::move(message)); }

void Connection::start_tls(std::shared_ptr<const TlsContext> context, const std::string& server_name,
                           Clock::duration timeout, std::shared_ptr<TlsMemory> memory) {
  tls_ = std::make_unique<Tls>();
  tls_->context = std::move(context);
  tls_->raw.swap(input_);
  received_ -= tls_->raw.size();
  tls_->ssl = SSL_new(tls_->context->native());
  SSL* ssl = tls_->ssl;
  SSL_set_app_data(ssl, this);
  BIO* bio = TlsBio::make(*this);
  SSL_set_bio(ssl, bio, bio);
  if (tls_->context->role() == TlsRole::Server) {
    SSL_set_accept_state(ssl);
  } else {
    SSL_set_connect_state(ssl);
    if (memory && tls_->context->settings().resumable) {
      tls_->memory = std::move(memory);
      tls_->server_name = server_name;
      const TlsMemory& known = *tls_->memory;
      if (known.session && known.context == tls_->context && known.server_name == server_name) {
        // A copy: OpenSSL spoils what it resumed, and others may connect before the peer has sent the next one.
        SSL_SESSION* session = SSL_SESSION_dup(known.session);
        SSL_set_session(ssl, session);
        SSL_SESSION_free(session);
      }
    }
    if (!server_name.empty()) {
      SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
      const bool check = tls_->context->settings().check_server_name;
      if (Address::parse(server_name, 0)) {
        if (check) X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), server_name.c_str());
      } else {
        SSL_set_tlsext_host_name(ssl, server_name.c_str());
        if (check) SSL_set1_host(ssl, server_name.c_str());
      }
    }
  }
  tls_state_ = TlsState::Handshake;
  if (timeout > Clock::duration::zero()) set_deadline(timeout, "TLS handshake");
  if (!open() || connecting_) return;
  read_again_ = true;
  deferred_.schedule();
}

bool Connection::handshake() {
  bool* gone = gone_;
  ERR_clear_error();
  const int result = SSL_do_handshake(tls_->ssl);
  const int code = result == 1 ? SSL_ERROR_NONE : SSL_get_error(tls_->ssl, result);
  base::Result<void> good;
  if (code == SSL_ERROR_NONE && SSL_session_reused(tls_->ssl)) {
    good = check_resumed(tls_->ssl, tls_->context->settings());
    if (!good) TlsBio::refuse(tls_->ssl, TlsFailure::Name, good.error().message);
  } else if (code != SSL_ERROR_NONE && code != SSL_ERROR_WANT_READ) {
    good = std::unexpected(tls_error("TLS handshake", code));
  }
  send(sealed_);  // a failed handshake's alert too
  if (*gone || !open()) return false;
  if (!good) {
    if (tls_->memory) tls_->memory->forget();
    fail(std::move(good.error()));
    return false;
  }
  if (code == SSL_ERROR_WANT_READ) return false;
  tls_state_ = TlsState::Open;
  if (!closes()) deadline_.reset();
  if (pending() || ending_ != Ending::None) deferred_.schedule();
  handler_->on_ready(*this);
  return !*gone && open();
}

Connection::Got Connection::read_tls() {
  bool any = false;
  while (input_.size() < input_limit_) {
    ERR_clear_error();
    size_t count = 0;
    if (input_.room() < kLeastRoom) input_.prepare(kRecord);
    const int result = SSL_read_ex(tls_->ssl, input_.data() + input_.size(), input_.room(), &count);
    if (result == 1) {
      input_.commit(count);
      received_ += count;
      any = true;
      continue;
    }
    if (any) return Got::Data;  // what stopped it comes again at the next call
    const int code = SSL_get_error(tls_->ssl, result);
    if (code == SSL_ERROR_WANT_READ) return Got::Nothing;
    return code == SSL_ERROR_ZERO_RETURN ? Got::End : Got::Failed;
  }
  return any ? Got::Data : Got::Nothing;
}

// Turns what was written into records. The BIO takes everything, so there is no
// half-written record to come back to.
void Connection::seal() {
  ERR_clear_error();
  size_t count = 0;
  if (SSL_write_ex(tls_->ssl, output_.data(), std::min(output_.size(), kSealAtOnce), &count) == 1) {
    output_.consume(count);
    sent_ += count;
  } else {
    write_failed(EPIPE);
  }
}

bool Connection::tls_notify_end() {
  if (tls_->notified || tls_state_ != TlsState::Open) return false;
  tls_->notified = true;
  ERR_clear_error();
  SSL_shutdown(tls_->ssl);
  ERR_clear_error();
  return !sealed_.empty();
}

base::Error Connection::tls_error(const char* what, int code) {
  const std::string with = std::string(what) + " with " + remote().text() + ": ";
  if (!tls_->refusal.empty()) return {base::ErrorKind::Denied, with + tls_->refusal};
  const bool shaking = tls_state_ == TlsState::Handshake;
  if (shaking) tls_->failure = TlsFailure::Other;
  if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
    tls_->failure = TlsFailure::NoCertificate;
  std::string reason = take_openssl_errors();
  const long verified = SSL_get_verify_result(tls_->ssl);
  if (shaking && verified != X509_V_OK && tls_->context->settings().verify_peer) {
    tls_->failure = TlsFailure::Chain;
    return {base::ErrorKind::Denied, with + "certificate verify failed: " + X509_verify_cert_error_string(verified)};
  }
  if (read_errno_ || write_errno_) {
    base::Error error = base::system_error(with, write_errno_ ? write_errno_ : read_errno_);
    error.kind = base::ErrorKind::Closed;
    error.retryable = shaking;
    return error;
  }
  if (tls_->end_of_file || code == SSL_ERROR_SYSCALL) {
    return {base::ErrorKind::Closed, with + "the peer ended the connection without a word", base::Side::Internal,
            shaking};
  }
  if (tls_->failure == TlsFailure::None) tls_->failure = TlsFailure::Other;
  if (reason.empty()) reason = "protocol error";
  return {shaking ? base::ErrorKind::Denied : base::ErrorKind::Closed, with + reason};
}

TlsFailure Connection::tls_failure() const { return tls_ ? tls_->failure : TlsFailure::None; }

std::string_view Connection::refusal() const { return tls_ ? std::string_view(tls_->refusal) : std::string_view(); }

const TlsPeer* Connection::tls() const {
  if (!tls_ || tls_state_ != TlsState::Open) return nullptr;
  if (!tls_->peer) {
    tls_->peer = std::make_unique<TlsPeer>(tls_peer_of(tls_->ssl));
    tls_->peer->context = tls_->context;
  }
  return tls_->peer.get();
}

}  // namespace net
