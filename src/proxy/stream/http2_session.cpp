// SPDX-License-Identifier: Apache-2.0
#include "proxy/stream/http2_session.h"

#include "base/strings.h"
#include "http/h2.h"
#include "proxy/stream/stream.h"

namespace proxy {
namespace {

namespace h2 = http::h2;

class Http2Session final : public Session, public Downstream, private net::Connection::Handler, private h2::Sink {
 public:
  Http2Session(Worker& worker, std::unique_ptr<net::Connection> connection, std::unique_ptr<Origin> origin)
      : Session(worker),
        connection_(std::move(connection)),
        origin_(std::move(origin)),
        session_(h2::Role::Server, options_of(*origin_), *this, connection_->output()),
        last_active_(worker.loop().now()) {
    connection_->set_handler(*this);
  }

  void start() {
    if (origin_->draining || worker().leaving()) drain(Drain::Gently);
    if (!connection_->input().empty()) on_data(*connection_);
  }

  void drain(Drain) override {
    session_.drain();
    flush();
  }
  void sweep(net::Clock::time_point now) override {
    if (session_.open_streams()) return;  // they see to themselves
    auto limit = origin_->http->idle_timeout;
    if (limit.count() == 0 || now < last_active_ + limit) return;
    session_.close(h2::ErrorCode::NoError);
    flush();
  }
  const FilterChain* filter_chain() const override { return origin_->chain.get(); }

 private:
  static h2::Options options_of(const Origin& origin) {
    const HttpConfig& http = *origin.http;
    return {.max_streams = http.http2_streams,
            .max_header_bytes = http.max_header_bytes,
            .max_header_fields = http.max_headers,
            .plain_strings = origin.from_seine,
            .extended_connect = http.allow_connect};
  }

  // --- the connection ---
  void on_data(net::Connection&) override {
    last_active_ = worker().loop().now();
    size_t taken = session_.receive(connection_->input().view(), last_active_);
    connection_->input().consume(taken);
    flush();
  }
  void on_drained(net::Connection&) override {
    session_.output_drained();
    flush();
  }
  void on_end(net::Connection&) override { lost(); }
  void on_closed(net::Connection&, const base::Error&) override { lost(); }

  void lost() {
    if (buried()) return;
    session_.connection_lost();
    connection_->close();
    ++worker().counts.connections_closed;
    bury();
  }

  void flush() {
    if (buried()) return;
    connection_->output();  // what the session wrote leaves at the end of this turn
    connection_->full();    // so that on_drained comes
    if (!session_.should_close() || closing_) return;
    if (!session_.error().empty()) ++worker().counts.protocol_errors;
    closing_ = true;
    connection_->close_after_flush(std::chrono::seconds(1));
  }

  // --- what the peer did ---
  static Stream* stream_of(const h2::Stream& at) { return static_cast<Stream*>(at.user); }

  void on_request(h2::Stream& at, http::RequestHead& head, bool end) override {
    Stream& stream = worker().new_stream();
    at.user = &stream;
    session_.set_user(at.id, &stream);
    stream.begin(*this, *origin_, telemetry::Protocol::Http2, at.id);
    std::swap(stream.request, head);
    http::h1::Body body = end ? http::h1::Body::none() : body_of(stream.request.headers);
    if (!origin_->http->forward_100_continue) {
      auto expect = stream.request.headers.get("expect");
      if (expect && !end && base::equal_ignoring_case(*expect, "100-continue")) {
        http::ResponseHead go_on;
        go_on.status = 100;
        send_interim(stream, go_on);
      }
      stream.request.headers.remove("expect");
    }
    stream.on_request(body, end, false);
  }
  static http::h1::Body body_of(const http::Headers& headers) {
    auto length = headers.get("content-length");
    auto size = length ? base::parse_number<uint64_t>(*length) : std::nullopt;
    return size ? http::h1::Body::length(*size) : http::h1::Body::chunked();
  }
  void on_response(h2::Stream&, http::ResponseHead&, bool) override {}
  void on_data(h2::Stream& at, std::string_view bytes, bool end) override {
    if (Stream* stream = stream_of(at))
      stream->on_request_data(bytes, end);
    else
      session_.consumed(at.id, bytes.size());
  }
  void on_trailers(h2::Stream& at, http::Headers& trailers) override {
    if (Stream* stream = stream_of(at)) stream->on_request_trailers(trailers);
  }
  void on_reset(h2::Stream& at, h2::ErrorCode) override {
    if (Stream* stream = stream_of(at)) stream->on_downstream_reset();
  }
  void on_writable(h2::Stream& at) override {
    if (Stream* stream = stream_of(at)) stream->on_downstream_writable();
  }
  void on_goaway(h2::StreamId, h2::ErrorCode) override {}

  // --- Downstream ---
  static h2::StreamId id_of(const Stream& stream) { return static_cast<h2::StreamId>(stream.id); }

  void send_head(Stream& stream, const http::ResponseHead& head, http::h1::Body, bool end) override {
    if (stream.tunnel() && !stream.connecting()) {  // what HTTP/1.1 calls 101 (RFC 8441, 5)
      http::ResponseHead agreed = head;
      agreed.status = 200;
      agreed.headers.remove("upgrade");
      session_.send_response(id_of(stream), agreed, end);
    } else {
      session_.send_response(id_of(stream), head, end);
    }
    if (worker().overloaded(&OverloadState::close_connections)) session_.drain();
    wake();
  }
  void send_interim(Stream& stream, const http::ResponseHead& head) override {
    session_.send_response(id_of(stream), head, false);
    wake();
  }
  size_t send_data(Stream& stream, std::string_view bytes, bool end) override {
    size_t taken = session_.send_data(id_of(stream), bytes, end);
    wake();
    if (taken < bytes.size()) connection_->full();
    return taken;
  }
  void send_trailers(Stream& stream, const http::Headers& trailers) override {
    session_.send_trailers(id_of(stream), trailers);
    wake();
  }
  void abort(Stream& stream) override {
    session_.reset(id_of(stream), h2::ErrorCode::InternalError);
    wake();
  }
  void consumed(Stream& stream, size_t bytes) override {
    session_.consumed(id_of(stream), bytes);
    wake();
  }
  void released(Stream& stream) override {
    if (buried()) return;
    h2::StreamId id = id_of(stream);
    if (!session_.open(id)) return;
    session_.set_user(id, nullptr);
    // The response is complete and the peer still sends: it need not (RFC 9113, 8.1).
    session_.reset(
        id, stream.record.has(telemetry::Flag::DownstreamTermination) ? h2::ErrorCode::Cancel : h2::ErrorCode::NoError);
    wake();
  }
  std::unique_ptr<net::Connection> take_connection(Stream&) override { return nullptr; }

  void wake() {
    last_active_ = worker().loop().now();
    connection_->output();
  }

  std::unique_ptr<net::Connection> connection_;
  std::unique_ptr<Origin> origin_;
  h2::Session session_;
  net::Clock::time_point last_active_;
  bool closing_ = false;
};

}  // namespace

void start_http2_session(Worker& worker, std::unique_ptr<net::Connection> connection, std::unique_ptr<Origin> origin) {
  (new Http2Session(worker, std::move(connection), std::move(origin)))->start();
}

}  // namespace proxy
