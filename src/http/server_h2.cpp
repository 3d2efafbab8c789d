// SPDX-License-Identifier: Apache-2.0
#include "http/server_h2.h"

#include "base/strings.h"

namespace http {
namespace {

// The connection's buffer tells that it was drained only where it was this
// full; less than what the session fills it to, so that no stream waits unheard.
constexpr size_t kLowMark = 16 * 1024;
constexpr size_t kHighMark = 32 * 1024;

h2::Options session_options() {
  h2::Options options;
  options.stream_window = ServerExchange::kBodyLimit;
  return options;
}

}  // namespace

class Http2Exchange final : public ServerExchange {
 public:
  Http2Exchange(ServerHttp2& server, h2::StreamId id, Peers peers)
      : ServerExchange(std::move(peers)), server_(&server), id_(id) {}
  ~Http2Exchange() override { abort(); }

  using Exchange::respond;
  bool is_http2() const override { return true; }
  void respond(Response response) override;
  void start(ResponseHead head) override;
  void finish(Headers trailers) override;
  void abort() override;
  base::Result<std::unique_ptr<net::ByteStream>> upgrade(Headers) override {
    return base::fail(base::ErrorKind::Invalid, "HTTP/2 has no upgrade");
  }

  void detach() {  // the caller holds it
    server_ = nullptr;
    kept_.reset();
  }
  void on_writable();

 private:
  void body_taken(size_t size) override {
    if (!server_) return;
    server_->session().consumed(id_, size);
    server_->touch();
  }
  size_t send(std::string_view bytes) override;
  bool attached() const override { return server_ && !finished_; }
  void start(ResponseHead& head, bool end);
  void end_response(const Headers& trailers);
  void push_rest();

  ServerHttp2* server_;  // null once the response is sent, or the stream gone
  const h2::StreamId id_;
  bool silent_ = false;  // HEAD and the like: the body is not sent
  std::string rest_;     // of a whole response that the windows did not take yet
  size_t rest_sent_ = 0;
  std::shared_ptr<ServerExchange> kept_;  // by itself, until the rest is sent
};

void Http2Exchange::start(ResponseHead& head, bool end) {
  started_ = true;
  silent_ = request_.method == "HEAD" || has_no_body(head.status);
  if (!head.headers.contains("date")) head.headers.add("date", date_text());
  server_->session().send_response(id_, head, end || silent_);
  server_->touch();
}

void Http2Exchange::start(ResponseHead head) {
  if (server_ && !started_) start(head, false);
}

void Http2Exchange::respond(Response response) {
  if (!server_ || started_) return;
  if (!has_no_body(response.status)) response.headers.set("content-length", std::to_string(response.body.size()));
  rest_ = std::move(response.body);
  start(response, rest_.empty());
  finished_ = true;
  if (rest_.empty() || silent_) {
    auto* server = std::exchange(server_, nullptr);
    if (server) server->let_go(id_);
    return;
  }
  kept_ = weak_from_this().lock();
  push_rest();
}

void Http2Exchange::push_rest() {
  const std::string_view left = std::string_view(rest_).substr(rest_sent_);
  const size_t sent = server_->session().send_data(id_, left, true);
  rest_sent_ += sent;
  server_->touch();
  if (sent < left.size()) {
    server_->stalled();
    return;
  }
  std::exchange(server_, nullptr)->let_go(id_);
  kept_.reset();
}

void Http2Exchange::on_writable() {
  auto self = weak_from_this().lock();
  if (kept_) {
    push_rest();
  } else {
    writable();
  }
}

size_t Http2Exchange::send(std::string_view bytes) {
  if (!started_ || silent_) return bytes.size();
  const size_t sent = server_->session().send_data(id_, bytes, false);
  server_->touch();
  if (sent < bytes.size()) server_->stalled();
  return sent;
}

void Http2Exchange::finish(Headers trailers) {
  if (!server_ || finished_) return;
  if (!started_) return respond(Response{});
  if (!silent_) {
    if (trailers.empty()) {
      server_->session().send_data(id_, {}, true);
    } else {
      server_->session().send_trailers(id_, trailers);
    }
  }
  finished_ = true;
  auto* server = std::exchange(server_, nullptr);
  server->let_go(id_);
  server->touch();
}

void Http2Exchange::abort() {
  auto* server = std::exchange(server_, nullptr);
  if (!server) return;
  server->session().reset(id_, started_ ? h2::ErrorCode::InternalError : h2::ErrorCode::Cancel);
  server->let_go(id_);
  server->touch();
}

ServerHttp2::ServerHttp2(ServerConnection& connection)
    : connection_(connection), session_(h2::Role::Server, session_options(), *this, connection.transport().output()) {
  connection_.transport().set_water_marks(kLowMark, kHighMark);
}

void ServerHttp2::on_data() {
  if (closing_) return;
  net::Connection& transport = connection_.transport();
  const size_t taken = session_.receive(transport.input().view(), connection_.core().loop.now());
  if (connection_.retired()) return;
  transport.input().consume(taken);
  if (session_.held()) transport.pause_reading();
  if (!greeted_ && session_.settings_received()) greeted_ = true;
  if (session_.open_streams() > 0) {
    if (!stalled_) connection_.disarm();
  } else if (greeted_) {
    stalled_ = false;
    connection_.arm(connection_.core().options.idle_timeout);
  }
  touch();
}

// What the session wrote goes out at the end of the turn; and the session ends
// the connection when it is done with it.
void ServerHttp2::touch() {
  if (connection_.retired() || closing_) return;
  connection_.transport().output();
  connection_.transport().full();
  if (!session_.should_close()) return;
  closing_ = true;
  connection_.close_after_flush();
}

void ServerHttp2::stalled() {
  if (!std::exchange(stalled_, true)) connection_.arm(connection_.core().options.idle_timeout);
}

void ServerHttp2::let_go(h2::StreamId id) {
  session_.set_user(id, nullptr);
  if (session_.open_streams() == 0 && !closing_ && !connection_.retired()) {
    stalled_ = false;
    connection_.arm(connection_.core().options.idle_timeout);
  }
}

void ServerHttp2::on_request(h2::Stream& stream, RequestHead& head, bool end) {
  auto exchange = std::make_shared<Http2Exchange>(*this, stream.id, connection_.peers());
  stream.user = exchange.get();
  std::swap(exchange->head(), head);
  if (end) exchange->add_body({}, true);
  connection_.serve(std::move(exchange));
}

void ServerHttp2::on_data(h2::Stream& stream, std::string_view bytes, bool end) {
  if (auto* exchange = static_cast<Http2Exchange*>(stream.user)) {
    exchange->add_body(bytes, end);
  } else {
    session_.consumed(stream.id, bytes.size());  // answered already: the rest is read and dropped
  }
}

void ServerHttp2::on_trailers(h2::Stream& stream, Headers&) {
  if (auto* exchange = static_cast<Http2Exchange*>(stream.user)) exchange->add_body({}, true);
}

void ServerHttp2::on_reset(h2::Stream& stream, h2::ErrorCode) {
  auto* exchange = static_cast<Http2Exchange*>(std::exchange(stream.user, nullptr));
  if (!exchange) return;
  auto self = exchange->weak_from_this().lock();
  exchange->detach();
  exchange->peer_gone();
}

void ServerHttp2::on_writable(h2::Stream& stream) {
  stalled_ = false;
  connection_.disarm();
  if (auto* exchange = static_cast<Http2Exchange*>(stream.user)) exchange->on_writable();
}

void ServerHttp2::on_drained() {
  session_.output_drained();
  if (connection_.retired() || closing_) return;
  if (session_.held()) connection_.transport().resume_reading();
  touch();
}

void ServerHttp2::on_timeout() {
  if (greeted_ && session_.open_streams() == 0) {
    session_.drain();
    touch();
    connection_.arm(connection_.core().options.header_timeout);
    greeted_ = false;  // the next time it ends
    return;
  }
  connection_.retire();
}

void ServerHttp2::on_lost() { session_.connection_lost(); }

void ServerHttp2::drain() {
  session_.drain();
  touch();
}

}  // namespace http
