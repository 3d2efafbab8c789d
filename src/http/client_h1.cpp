// SPDX-License-Identifier: Apache-2.0
#include "http/client_h1.h"

#include "base/strings.h"
#include "net/connection_stream.h"

namespace http {

using base::ErrorKind;

namespace {

// Shorter than servers keep a connection, so that they are not the first to end it.
constexpr auto kIdle = std::chrono::seconds(50);

}  // namespace

class Http1ClientExchange final : public ClientExchange {
 public:
  Http1ClientExchange(ClientHttp1& connection, h1::Body body) : connection_(&connection), body_(body) {}
  ~Http1ClientExchange() override { leave(); }

  void finish() override;
  base::Result<std::unique_ptr<net::ByteStream>> upgraded() override;
  void detach() { connection_ = nullptr; }
  void give_transport(std::unique_ptr<net::Connection> transport) { upgraded_ = std::move(transport); }

 private:
  void body_taken(size_t) override {
    if (connection_) connection_->body_taken();
  }
  base::Result<size_t> send(std::string_view bytes) override;
  void leave() override;

  ClientHttp1* connection_;  // null once the connection is done with it
  h1::Body body_;
  uint64_t sent_ = 0;
  bool finished_ = false;
  std::unique_ptr<net::Connection> upgraded_;
};

base::Result<size_t> Http1ClientExchange::send(std::string_view bytes) {
  if (!connection_) return base::fail(ErrorKind::Closed, "the connection is gone");
  if (finished_ || body_.kind == h1::Body::Kind::None) {
    return base::fail(ErrorKind::Invalid, "the request has no more body");
  }
  if (connection_->transport().full()) return size_t{0};
  sent_ += bytes.size();
  if (body_.kind == h1::Body::Kind::Chunked) {
    h1::write_chunk(connection_->transport().output(), bytes);
  } else if (sent_ > body_.size) {
    return base::fail(ErrorKind::Invalid, "the request's body is larger than its content-length");
  } else {
    connection_->transport().write(bytes);
  }
  return bytes.size();
}

void Http1ClientExchange::finish() {
  if (!connection_ || std::exchange(finished_, true)) return;
  if (body_.kind == h1::Body::Kind::Chunked) h1::write_last_chunk(connection_->transport().output());
  if (body_.kind == h1::Body::Kind::Length && sent_ != body_.size) {
    return end({ErrorKind::Invalid, "the request's body is smaller than its content-length"});
  }
  connection_->request_done();
}

void Http1ClientExchange::leave() {
  if (auto* connection = std::exchange(connection_, nullptr)) {
    connection->retire({ErrorKind::Closed, "the request was reset on this side"});
  }
}

base::Result<std::unique_ptr<net::ByteStream>> Http1ClientExchange::upgraded() {
  if (!upgraded_) return base::fail(ErrorKind::Invalid, "the server did not change the protocol");
  return net::stream_of(std::move(upgraded_));
}

ClientHttp1::ClientHttp1(ClientCore& core, net::Loop& loop)
    : ClientConnection(core, loop), idle_(loop, [this] { retire({ErrorKind::Closed, "idle for too long"}); }) {}

std::shared_ptr<ClientExchange> ClientHttp1::begin(const RequestHead& head) {
  idle_.cancel();
  h1::Body body;
  if (auto length = head.headers.get("content-length")) {
    body = h1::Body::length(base::parse_number<uint64_t>(*length).value_or(0));
  } else if (has_body(head)) {
    body = h1::Body::chunked();
  }
  auto exchange = std::make_shared<Http1ClientExchange>(*this, body);
  exchange_ = exchange.get();
  request_done_ = response_done_ = false;
  parser_.next(head.method == "HEAD"      ? h1::Answers::Head
               : head.method == "CONNECT" ? h1::Answers::Connect
                                          : h1::Answers::Other);
  h1::write_request(transport_->output(), head, body,
                    head.headers.contains("upgrade") ? h1::Connection::Upgrade : h1::Connection::KeepAlive);
  if (body.empty()) exchange->finish();
  return exchange;
}

// Bodies stay in the connection's input while their reader is behind.
void ClientHttp1::on_data(net::Connection&) {
  if (!exchange_) {
    return retire({ErrorKind::Closed, "the server sent something without being asked"});
  }
  while (!retired() && exchange_ && exchange_->unread() < ClientExchange::kBodyLimit && step()) {
  }
}

bool ClientHttp1::step() {
  net::Buffer& input = transport_->input();
  std::string_view rest = input.view();
  const h1::Event event = parser_.parse(rest);
  const size_t taken = input.size() - rest.size();
  if (event == h1::Event::Data) {
    const std::string piece(parser_.data());  // the reader may end the connection, and with it the input
    input.consume(taken);
    exchange_->add_body(piece);
    return true;
  }
  input.consume(taken);
  switch (event) {
    case h1::Event::Head: {
      if (parser_.switched()) return true;  // told together with the connection
      ResponseHead head;
      std::swap(head, parser_.head());
      exchange_->set_head(std::move(head));
      return true;
    }
    case h1::Event::Complete:
      response_done();
      return false;
    case h1::Event::Error:
      retire({ErrorKind::Invalid, "the server's response: " + std::string(parser_.error())});
      return false;
    case h1::Event::NeedMore:
      return false;
    case h1::Event::Interim:
    case h1::Event::Data:
      break;
  }
  return true;
}

void ClientHttp1::response_done() {
  response_done_ = true;
  auto exchange = std::static_pointer_cast<Http1ClientExchange>(exchange_->shared_from_this());
  if (parser_.switched()) {
    exchange->give_transport(take_transport());
    exchange->set_head(std::move(parser_.head()));
    exchange->set_complete();
    return;
  }
  Headers trailers = std::move(parser_.trailers());
  release();
  exchange->set_complete(std::move(trailers));
}

void ClientHttp1::request_done() {
  request_done_ = true;
  if (response_done_) release();
}

// Back to the pool, or away where its state is not certain.
void ClientHttp1::release() {
  if (exchange_) exchange_->detach();
  exchange_ = nullptr;
  if (!request_done_ || !parser_.keep_alive() || !transport_->input().empty() || transport_->peer_ended()) {
    return retire({ErrorKind::Closed, "the connection is not kept"});
  }
  served_ = true;
  idle_.arm(kIdle);
  core_.idle(*this);
}

std::unique_ptr<net::Connection> ClientHttp1::take_transport() {
  if (exchange_) exchange_->detach();
  exchange_ = nullptr;
  auto out = std::move(transport_);
  retire({ErrorKind::Closed, "the connection changed its protocol"});
  return out;
}

void ClientHttp1::on_end(net::Connection&) {
  if (exchange_ && parser_.finish() == h1::Event::Complete) return response_done();
  retire({ErrorKind::Closed, "the server ended the connection before its response", base::Side::Internal, true});
}

void ClientHttp1::on_drained(net::Connection&) {
  if (exchange_) exchange_->writable();
}

void ClientHttp1::on_lost(const base::Error& error) {
  core_.not_idle(*this);
  idle_.cancel();
  auto* exchange = std::exchange(exchange_, nullptr);
  if (!exchange) return;
  exchange->detach();
  exchange->set_error(error);
}

}  // namespace http
