// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/connections.h"

#include "proxy/runtime/worker.h"

namespace proxy {

void Dial::start(const std::string& server_name) {
  Worker& worker = host_.worker;
  const Cluster& cluster = *host_.cluster.config();
  connection_ = std::make_unique<net::Connection>(worker.loop(), static_cast<net::Connection::Handler&>(*this));
  net::Connection::Target target{.address = host_.address, .source = cluster.source, .timeout = cluster.connect_timeout};
  base::Result<void> begun;
  std::shared_ptr<const net::TlsContext> context;
  const Transport& transport = *host_.transport;
  Slot tls = exclusive_ && transport.tls_exclusive != kNone ? transport.tls_exclusive : transport.tls;
  if (transport.is_tls() && !(context = worker.config().tls_context(tls)))
    begun = base::fail(base::ErrorKind::Unavailable, "TLS certificates are not ready");
  if (context && !host_.tls_memory) host_.tls_memory = std::make_shared<net::TlsMemory>();
  if (begun) begun = connection_->connect(target);
  if (!begun) {
    reason_ = begun.error().message;
    soon_ = std::make_unique<net::Timer>(worker.loop(), [this] { fail({.kind = Failure::Kind::Connect, .transport = reason_}); });
    soon_->arm({});
    return;
  }
  if (context) connection_->start_tls(std::move(context), server_name, {}, host_.tls_memory);
}

void Dial::on_ready(net::Connection&) {
  const Transport& transport = *host_.transport;
  bool http2 = wanted_http2_;
  if (const net::TlsPeer* peer = connection_->tls()) {
    if (!carries_name(transport.sans, *peer)) {
      connection_->close();
      return fail({.kind = Failure::Kind::Connect,
                   .transport = "TLS_error: CERTIFICATE_VERIFY_FAILED: the peer's certificate carries none of the expected names"});
    }
    if (peer->alpn == "seine/1" || peer->alpn == "h2" || peer->alpn == "istio-h2") http2 = true;
    else if (!peer->alpn.empty()) http2 = false;
  }
  host_.connected(*this, std::move(connection_), http2);
}

void Dial::on_end(net::Connection&) {
  connection_->close();
  fail({.kind = Failure::Kind::Connect, .transport = "the peer closed the connection before it was ready"});
}

void Dial::on_closed(net::Connection&, const base::Error& error) {
  if (error.kind == base::ErrorKind::Timeout) return fail({.kind = Failure::Kind::ConnectTimeout});
  reason_ = error.message;
  if (reason_.starts_with("connect to ")) reason_ = "delayed connect error: " + reason_.substr(reason_.rfind(": ") + 2);  // Envoy's words
  fail({.kind = Failure::Kind::Connect, .transport = reason_});
}

void Dial::fail(const Failure& failure) { host_.connect_failed(*this, failure); }

}  // namespace proxy
