// SPDX-License-Identifier: Apache-2.0
#include "http/client_h2.h"

namespace http {

using base::ErrorKind;

namespace {

// See server_h2.cpp: less than what the session fills the buffer to.
constexpr size_t kLowMark = 16 * 1024;
constexpr size_t kHighMark = 32 * 1024;
constexpr uint32_t kConnectionWindow = 4 * 1024 * 1024;  // so that one stream nobody reads does not stop the others

}  // namespace

class Http2ClientExchange final : public ClientExchange {
 public:
  explicit Http2ClientExchange(ClientHttp2& connection) : connection_(&connection) {}
  ~Http2ClientExchange() override { leave(); }

  void start(h2::StreamId id, bool finished) {
    id_ = id;
    finished_ = finished;
  }
  void finish() override {
    if (!connection_ || std::exchange(finished_, true)) return;
    connection_->session().send_data(id_, {}, true);
    connection_->touch();
  }
  base::Result<std::unique_ptr<net::ByteStream>> upgraded() override {
    return base::fail(ErrorKind::Invalid, "HTTP/2 has no upgrade");
  }
  // The stream is gone.
  void detach() { connection_ = nullptr; }
  // The response is complete; the request may not be.
  bool finished() const { return finished_; }

 private:
  void body_taken(size_t size) override {
    if (!connection_) return;
    connection_->session().consumed(id_, size);
    connection_->touch();
  }
  base::Result<size_t> send(std::string_view bytes) override {
    if (!connection_) return base::fail(ErrorKind::Closed, "the connection is gone");
    if (finished_) return base::fail(ErrorKind::Invalid, "the request has no more body");
    const size_t sent = connection_->session().send_data(id_, bytes, false);
    connection_->touch();
    return sent;
  }
  void leave() override {
    auto* connection = std::exchange(connection_, nullptr);
    if (!connection) return;
    connection->session().reset(id_, h2::ErrorCode::Cancel);
    connection->touch();
  }

  ClientHttp2* connection_;  // null once the stream is gone
  h2::StreamId id_ = 0;
  bool finished_ = false;
};

ClientHttp2::ClientHttp2(ClientCore& core, net::Loop& loop) : ClientConnection(core, loop) {
  transport_->set_water_marks(kLowMark, kHighMark);
}

base::Result<void> ClientHttp2::started() {
  if (const net::TlsPeer* peer = transport_->tls(); peer && peer->alpn != "h2") {
    return base::fail(ErrorKind::Invalid, transport_->remote().text() + " does not offer HTTP/2 (ALPN h2)");
  }
  h2::Options options;
  options.stream_window = ClientExchange::kBodyLimit;
  options.connection_window = kConnectionWindow;
  session_ = std::make_unique<h2::Session>(h2::Role::Client, options, *this, transport_->output());
  return {};
}

std::shared_ptr<ClientExchange> ClientHttp2::begin(const RequestHead& head) {
  auto exchange = std::make_shared<Http2ClientExchange>(*this);
  const bool end = !has_body(head);
  exchange->start(session_->send_request(head, end, exchange.get()), end);
  served_ = true;
  touch();
  return exchange;
}

void ClientHttp2::touch() {
  if (retired()) return;
  transport_->output();
  transport_->full();
  if (session_->should_close()) {
    if (!session_->error().empty() && !why_) {
      why_ = {ErrorKind::Closed, "HTTP/2: " + std::string(session_->error()), base::Side::Internal, true};
    }
    core_.no_new_streams(*this);
    transport_->close_after_flush(std::chrono::seconds(2));
  } else if (session_->can_open()) {
    core_.streams_changed();
  }
}

void ClientHttp2::on_data(net::Connection&) {
  if (!session_) return;
  const size_t taken = session_->receive(transport_->input().view(), core_.loop.now());
  if (retired()) return;
  transport_->input().consume(taken);
  touch();
}

void ClientHttp2::on_end(net::Connection&) {
  retire({ErrorKind::Closed, "the server ended the connection", base::Side::Internal, true});
}

void ClientHttp2::on_drained(net::Connection&) {
  session_->output_drained();
  touch();
}

void ClientHttp2::on_lost(const base::Error& error) {
  core_.no_new_streams(*this);
  if (!why_) why_ = error;
  if (session_) session_->connection_lost();
}

void ClientHttp2::on_response(h2::Stream& stream, ResponseHead& head, bool end) {
  auto* exchange = static_cast<Http2ClientExchange*>(stream.user);
  if (!exchange || head.status < 200) return;
  auto kept = exchange->shared_from_this();
  exchange->set_head(std::move(head));
  if (end) complete(stream, {});
}

void ClientHttp2::on_data(h2::Stream& stream, std::string_view bytes, bool end) {
  auto* exchange = static_cast<Http2ClientExchange*>(stream.user);
  if (!exchange) return;
  auto kept = exchange->shared_from_this();
  exchange->add_body(bytes);
  if (end) complete(stream, {});
}

void ClientHttp2::on_trailers(h2::Stream& stream, Headers& trailers) { complete(stream, std::move(trailers)); }

// The whole response is there. A request that is not at its end is of no use any more.
void ClientHttp2::complete(h2::Stream& stream, Headers trailers) {
  auto* exchange = static_cast<Http2ClientExchange*>(stream.user);
  if (!exchange) return;
  auto kept = exchange->shared_from_this();
  session_->set_user(stream.id, nullptr);
  if (!exchange->finished()) session_->reset(stream.id, h2::ErrorCode::NoError);
  exchange->detach();
  exchange->set_complete(std::move(trailers));
}

void ClientHttp2::on_reset(h2::Stream& stream, h2::ErrorCode code) {
  auto* exchange = static_cast<Http2ClientExchange*>(std::exchange(stream.user, nullptr));
  if (!exchange) return;
  exchange->detach();
  const bool refused = code == h2::ErrorCode::RefusedStream;
  base::Error error{ErrorKind::Closed,
                    "the server reset the stream (HTTP/2 error " + std::to_string(static_cast<uint32_t>(code)) + ")",
                    base::Side::Internal, refused};
  if (why_) {
    error = *why_;
  } else if (!session_->error().empty()) {
    error.message = "HTTP/2: " + std::string(session_->error());
  }
  exchange->set_error(std::move(error));
}

void ClientHttp2::on_writable(h2::Stream& stream) {
  if (auto* exchange = static_cast<Http2ClientExchange*>(stream.user)) exchange->writable();
}

void ClientHttp2::on_goaway(h2::StreamId, h2::ErrorCode) { core_.no_new_streams(*this); }

void ClientHttp2::on_settings() { core_.streams_changed(); }

}  // namespace http
