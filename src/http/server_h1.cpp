// SPDX-License-Identifier: Apache-2.0
#include "http/server_h1.h"

#include "base/strings.h"
#include "net/connection_stream.h"

namespace http {
namespace {

// A body that nobody reads is read to its end up to this, else the connection ends.
constexpr size_t kMostDiscarded = 256 * 1024;

}  // namespace

class Http1Exchange final : public ServerExchange {
 public:
  Http1Exchange(ServerHttp1& server, Peers peers) : ServerExchange(std::move(peers)), server_(&server) {}
  ~Http1Exchange() override {
    if (server_) server_->exchange_dropped();
  }

  using Exchange::respond;
  bool is_http2() const override { return false; }
  void respond(Response response) override;
  void start(ResponseHead head) override;
  void finish(Headers trailers) override;
  void abort() override;
  base::Result<std::unique_ptr<net::ByteStream>> upgrade(Headers headers) override;

  void detach() { server_ = nullptr; }

 private:
  void body_wanted() override { server_->body_wanted(); }
  void body_taken(size_t) override {
    if (server_) server_->body_taken();
  }
  size_t send(std::string_view bytes) override;
  bool attached() const override { return server_ && !finished_; }
  void start(ResponseHead& head, h1::Body body);
  void end_response();

  ServerHttp1* server_;  // null once the connection is done with it
  h1::Body body_;
  uint64_t sent_ = 0;
  bool keep_alive_ = true;
  bool silent_ = false;  // HEAD and the like: the body is not sent
};

void Http1Exchange::start(ResponseHead& head, h1::Body body) {
  started_ = true;
  body_ = body;
  silent_ = server_->head_request() || has_no_body(head.status);
  if (has_no_body(head.status) && head.status != 304) body_ = h1::Body::none();
  if (body_.kind == h1::Body::Kind::UntilClose) keep_alive_ = false;
  auto said = head.headers.get("connection");
  if (said && base::equal_ignoring_case(*said, "close")) keep_alive_ = false;
  keep_alive_ = keep_alive_ && server_->may_keep_alive();
  if (!head.headers.contains("date")) head.headers.add("date", date_text());
  h1::write_response(server_->transport().output(), head, body_,
                     keep_alive_ ? h1::Connection::KeepAlive : h1::Connection::Close);
}

void Http1Exchange::respond(Response response) {
  if (!server_ || started_) return;
  start(response, h1::Body::length(response.body.size()));
  if (!silent_) server_->transport().write(response.body);
  end_response();
}

void Http1Exchange::start(ResponseHead head) {
  if (!server_ || started_) return;
  h1::Body body = server_->parser().minor_version() == 0 ? h1::Body::until_close() : h1::Body::chunked();
  if (auto length = head.headers.get("content-length")) {
    if (auto size = base::parse_number<uint64_t>(*length)) body = h1::Body::length(*size);
  }
  start(head, body);
}

// Everything is taken at once while the connection's buffer is under its limit,
// nothing above it.
size_t Http1Exchange::send(std::string_view bytes) {
  if (!started_ || silent_) return bytes.size();
  if (server_->transport().full()) {
    server_->write_stalled();
    return 0;
  }
  sent_ += bytes.size();
  if (body_.kind == h1::Body::Kind::Length && sent_ > body_.size) {
    abort();  // more than was announced would be read as the next response
  } else if (body_.kind == h1::Body::Kind::Chunked) {
    h1::write_chunk(server_->transport().output(), bytes);
  } else {
    server_->transport().write(bytes);
  }
  return bytes.size();
}

void Http1Exchange::finish(Headers trailers) {
  if (!server_ || finished_) return;
  if (!started_) return respond(Response{});
  if (!silent_) {
    if (body_.kind == h1::Body::Kind::Length && sent_ != body_.size) return abort();
    if (body_.kind == h1::Body::Kind::Chunked) h1::write_last_chunk(server_->transport().output(), trailers);
  }
  end_response();
}

void Http1Exchange::end_response() {
  finished_ = true;
  std::exchange(server_, nullptr)->response_done(keep_alive_);
}

void Http1Exchange::abort() {
  if (server_) server_->abort();
}

base::Result<std::unique_ptr<net::ByteStream>> Http1Exchange::upgrade(Headers headers) {
  if (!server_ || started_) return base::fail(base::ErrorKind::Closed, "the request was answered already, or is gone");
  if (!server_->parser().wants_upgrade()) {
    return base::fail(base::ErrorKind::Invalid, "the request does not ask for another protocol");
  }
  started_ = finished_ = true;
  ResponseHead head;
  head.status = 101;
  head.headers = std::move(headers);
  if (!head.headers.contains("upgrade")) head.headers.add("upgrade", request_.headers.joined("upgrade"));
  h1::write_response(server_->transport().output(), head, h1::Body::none(), h1::Connection::Upgrade);
  return net::stream_of(std::exchange(server_, nullptr)->take_transport());
}

ServerHttp1::ServerHttp1(ServerConnection& connection) : connection_(connection) {}
ServerHttp1::~ServerHttp1() {
  if (exchange_) exchange_->detach();
}

// Parses what is there, until there is no more, a request waits for its
// response, or a body for its reader. Handlers run from here, so the connection
// may be gone after each of them.
void ServerHttp1::pump() {
  if (std::exchange(pumping_, true)) return;
  for (bool more = true; more && !connection_.retired() && !closing_;) {
    if (exchange_ && (!in_request_ || exchange_->unread() >= ServerExchange::kBodyLimit)) {
      if (!about_to_start_) break;
      start_handler();
      continue;
    }
    // None for a client that does not take the responses to those before.
    if (!exchange_ && !in_request_ && transport().full()) {
      held_ = true;
      transport().pause_reading();
      break;
    }
    net::Buffer& input = transport().input();
    std::string_view rest = input.view();
    const h1::Event event = parser_.parse(rest);
    const size_t taken = input.size() - rest.size();
    std::string_view data = event == h1::Event::Data ? parser_.data() : std::string_view();
    if (!data.empty() && exchange_ && about_to_start_) exchange_->add_body(data, false);
    if (!data.empty() && !exchange_ && (discarded_ += data.size()) > kMostDiscarded) {
      closing_ = true;
      connection_.close_after_flush();
      break;
    }
    if (!data.empty() && exchange_ && !about_to_start_) {
      connection_.disarm();     // until somebody waits again
      std::string piece(data);  // the reader may end the connection, and with it the input
      input.consume(taken);
      exchange_->add_body(piece, false);
      continue;
    }
    input.consume(taken);
    switch (event) {
      case h1::Event::NeedMore:
        if (about_to_start_) {
          start_handler();
        } else {
          more = false;
        }
        break;
      case h1::Event::Head:
        begin_exchange();
        break;
      case h1::Event::Complete:
        in_request_ = false;
        if (about_to_start_) {
          exchange_->add_body({}, true);
          start_handler();
        } else if (exchange_) {
          connection_.disarm();
          exchange_->add_body({}, true);
        }
        if (!exchange_ && !connection_.retired() && !closing_) wait_for_head();
        break;
      case h1::Event::Error:
        refuse(parser_.error_status(), parser_.error());
        break;
      case h1::Event::Data:
      case h1::Event::Interim:
        break;
    }
  }
  pumping_ = false;
  if (connection_.retired() || closing_ || exchange_ || in_request_ || held_) return;
  if (ended_) {
    closing_ = true;
    connection_.close_after_flush();
  } else if (parser_.in_message() || !transport().input().empty()) {
    if (!std::exchange(head_begun_, true)) connection_.arm(connection_.core().options.header_timeout);
  }
}

void ServerHttp1::begin_exchange() {
  in_request_ = true;
  head_begun_ = false;
  discarded_ = 0;
  expects_continue_ = parser_.expects_continue();
  connection_.disarm();
  about_to_start_ = std::make_shared<Http1Exchange>(*this, connection_.peers());
  exchange_ = about_to_start_.get();
  std::swap(exchange_->head(), parser_.head());
  head_request_ = exchange_->head().method == "HEAD";
  if (exchange_->tls()) exchange_->head().scheme = "https";
}

void ServerHttp1::start_handler() { connection_.serve(std::move(about_to_start_)); }

void ServerHttp1::wait_for_head() {
  parser_.next();
  head_begun_ = false;
  connection_.arm(connection_.core().options.idle_timeout);
  if (connection_.core().draining) {
    closing_ = true;
    connection_.close_after_flush();
  }
}

void ServerHttp1::refuse(int status, std::string_view why) {
  closing_ = true;
  if (exchange_) {  // in the middle of a body: its handler may have answered half
    const bool answered = exchange_->started();
    Http1Exchange* exchange = std::exchange(exchange_, nullptr);
    exchange->detach();
    auto kept = std::move(about_to_start_);
    exchange->peer_gone();
    if (answered) return connection_.retire();
    if (connection_.retired()) return;
  }
  if (parser_.foreign()) return connection_.close_after_flush();
  ResponseHead head;
  head.status = status ? status : 400;
  const std::string text = std::string(why) + "\n";
  head.headers.add("content-type", "text/plain; charset=utf-8");
  head.headers.add("date", date_text());
  h1::write_response(transport().output(), head, h1::Body::length(text.size()), h1::Connection::Close);
  transport().write(text);
  connection_.close_after_flush();
}

bool ServerHttp1::may_keep_alive() const {
  if (!parser_.keep_alive() || parser_.minor_version() == 0 || connection_.core().draining) return false;
  if (ended_ && connection_.transport().input().empty()) return false;
  if (!in_request_) return true;
  // The rest of the body has to be read to get at the next request.
  return !expects_continue_ && parser_.body().kind == h1::Body::Kind::Length && parser_.body().size <= kMostDiscarded;
}

void ServerHttp1::send_continue() {
  expects_continue_ = false;
  h1::write_interim(transport().output(), 100);
}

void ServerHttp1::body_wanted() {
  if (expects_continue_ && exchange_ && !exchange_->started()) send_continue();
  connection_.arm(connection_.core().options.idle_timeout);
  body_taken();
}

// Parsing goes on in a later step: the reader is in the middle of its own.
void ServerHttp1::body_taken() {
  if (in_request_) transport().resume_reading();
}

void ServerHttp1::write_stalled() { connection_.arm(connection_.core().options.idle_timeout); }

void ServerHttp1::response_done(bool keep_alive) {
  exchange_ = nullptr;
  about_to_start_.reset();
  if (!keep_alive) {
    closing_ = true;
    connection_.close_after_flush();
    return;
  }
  if (!in_request_) wait_for_head();
  if (closing_ || pumping_) return;
  if (!held_) transport().resume_reading();  // for a request that waits in the input
  if (in_request_) connection_.arm(connection_.core().options.header_timeout);
}

void ServerHttp1::exchange_dropped() {
  exchange_ = nullptr;
  if (!connection_.retired()) connection_.retire();
}

std::unique_ptr<net::Connection> ServerHttp1::take_transport() {
  exchange_ = nullptr;
  return connection_.take_transport();
}

// Most clients that end their side are gone, so handlers that wait for
// something else are told; one that answers can still be heard by a client that
// only said it has no more requests.
void ServerHttp1::on_end() {
  ended_ = true;
  pump();
  if (connection_.retired() || closing_) return;
  if (exchange_ && in_request_) {
    connection_.retire();
  } else if (exchange_) {
    exchange_->peer_ended();
  } else if (parser_.in_message() || in_request_ || !transport().pending()) {
    connection_.retire();
  }
}

void ServerHttp1::on_drained() {
  if (exchange_) {
    connection_.disarm();
    exchange_->writable();
  }
  if (std::exchange(held_, false) && !connection_.retired()) transport().resume_reading();
}

void ServerHttp1::on_timeout() {
  if (!exchange_ && !closing_ && head_begun_) return refuse(408, "the request's head took too long");
  connection_.retire();
}

void ServerHttp1::on_lost() {
  about_to_start_.reset();
  if (!exchange_) return;
  Http1Exchange* exchange = std::exchange(exchange_, nullptr);
  exchange->detach();
  exchange->peer_gone();
}

void ServerHttp1::drain() {
  if (exchange_ || in_request_ || closing_) return;
  closing_ = true;
  connection_.close_after_flush();
}

}  // namespace http
