// SPDX-License-Identifier: Apache-2.0
#include "proxy/stream/http2_session.h"

#include "base/strings.h"
#include "http/h2.h"
#include "proxy/stream/stream.h"
#include "proxy/tcp/tcp_session.h"
#include "proxy/upstream/pings.h"

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
    if (!origin_->http->http2.ping_timeout.count()) return;
    pings_ = std::make_unique<Pings>(
        worker, session_, origin_->http->http2, [this] { flush(); },
        [this] {
          ++this->worker().counts.http2_keepalive_timeouts;
          lost();
        });
  }

  ~Http2Session() override {
    if (!connection_) return;  // another one carries on
    origin_->count.carried(connection_->bytes_received(), connection_->bytes_sent());
    telemetry::Record record;
    record.protocol = telemetry::Protocol::Http2;
    record.bytes_received = connection_->bytes_received();
    record.bytes_sent = connection_->bytes_sent();
    write_connection_record(worker(), *origin_, record);
  }

  void start() {
    if (origin_->draining || worker().leaving(*origin_->listener)) drain(Drain::Gently);
    if (!connection_->input().empty()) on_data(*connection_);
  }

  void drain(Drain) override {
    const auto& grace = origin_->http->drain_timeout;
    if (!std::exchange(drained_, true)) ++origin_->count->connections_drained;
    if (!grace) {
      session_.drain();
    } else if (drained_by_ == net::Clock::time_point{}) {
      session_.drain(h2::Session::LastWord::WhenAsked);
      drained_by_ = worker().loop().now() + *grace;
      if (!grace->count()) session_.end_drain();
    }
    flush();
  }
  void sweep(net::Clock::time_point now) override {
    origin_->count.carried(connection_->bytes_received(), connection_->bytes_sent());
    if (!expired_ && origin_->too_old(now)) {
      expired_ = true;
      ++origin_->count->connections_too_old;
      drain(Drain::Gently);
    }
    if (drained_by_ != net::Clock::time_point{} && now >= drained_by_) {
      session_.end_drain();
      flush();
    }
    if (!session_.in_head(connection_->input().view())) {
      head_since_ = {};
    } else if (head_since_ == net::Clock::time_point{}) {
      head_since_ = now;
    } else if (const auto limit = origin_->http->headers_timeout; limit.count() && now >= head_since_ + limit) {
      ++origin_->count->head_timeouts;  // nothing else can come on this connection
      session_.close(h2::ErrorCode::EnhanceYourCalm);
      return flush();
    }
    if (session_.open_streams()) return;  // they see to themselves
    auto limit = origin_->http->idle_timeout;
    if (limit.count() == 0 || now < last_active_ + limit) return;
    ++origin_->count->connections_idle;
    session_.close(h2::ErrorCode::NoError);
    flush();
  }
  const FilterChain* filter_chain() const override { return origin_->chain.get(); }
  const Listener* listener() const override { return origin_->listener.get(); }

 private:
  static h2::Options options_of(const Origin& origin) {
    const HttpConfig& http = *origin.http;
    h2::Options out{.max_streams = http.http2_streams,
                    .header_table = http.http2.header_table,
                    .max_header_bytes = http.max_header_bytes,
                    .max_header_fields = http.max_headers,
                    .plain_strings = origin.from_seine,
                    .extended_connect = http.allow_connect};
    if (http.http2.stream_window) out.stream_window = http.http2.stream_window;
    if (http.http2.connection_window) out.connection_window = http.http2.connection_window;
    return out;
  }

  // --- the connection ---
  void on_data(net::Connection&) override {
    size_t taken = session_.receive(connection_->input().view(), worker().loop().now());
    connection_->input().consume(taken);
    if (session_.held()) connection_->pause_reading();
    flush();
  }
  void on_drained(net::Connection&) override {
    session_.output_drained();
    if (session_.held()) connection_->resume_reading();
    flush();
  }
  void on_end(net::Connection&) override { lost(); }
  void on_closed(net::Connection&, const base::Error&) override { lost(); }

  void lost() {
    if (buried()) return;
    if (pings_) pings_->stop();
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
    if (!session_.error().empty()) ++origin_->count->protocol_errors;
    closing_ = true;
    if (pings_) pings_->stop();
    if (origin_->http->delayed_close.count() == 0) return connection_->close_when_sent();
    connection_->close_after_flush(origin_->http->delayed_close);
  }

  // --- what the peer did ---
  static Stream* stream_of(const h2::Stream& at) { return static_cast<Stream*>(at.user); }

  void on_request(h2::Stream& at, http::RequestHead& head, bool end) override {
    last_active_ = worker().loop().now();
    head_since_ = {};
    Stream& stream = worker().new_stream();
    at.user = &stream;
    session_.set_user(at.id, &stream);
    stream.begin(*this, *origin_, telemetry::Protocol::Http2, at.id);
    at.meter = &stream.record.downstream_wire;
    at.meter->received = at.meter->head_received = at.head_bytes;
    std::swap(stream.request, head);
    if (const uint32_t most = origin_->http->max_requests; most && ++requests_ >= most) {
      ++origin_->count->connections_of_most_requests;
      drain(Drain::Gently);
    }
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
  void on_ping_ack(uint64_t payload) override {
    if (pings_) pings_->on_ack(payload);
  }

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
    if (worker().unwell || worker().overloaded(&OverloadState::close_connections)) drain(Drain::Gently);
    wake();
    if (session_.failed()) flush();
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
    if (session_.failed()) flush();
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

  void wake() {
    last_active_ = worker().loop().now();
    connection_->output();
  }

  std::unique_ptr<net::Connection> connection_;
  std::unique_ptr<Origin> origin_;
  h2::Session session_;
  net::Clock::time_point last_active_;   // with a request
  net::Clock::time_point head_since_{};  // when the head that is not whole yet was first seen
  net::Clock::time_point drained_by_{};  // when the last GOAWAY goes
  std::unique_ptr<Pings> pings_;         // where they are wanted
  uint32_t requests_ = 0;                // where they are limited
  bool expired_ = false, drained_ = false;
  bool closing_ = false;
};

}  // namespace

void start_http2_session(Worker& worker, std::unique_ptr<net::Connection> connection, std::unique_ptr<Origin> origin) {
  (new Http2Session(worker, std::move(connection), std::move(origin)))->start();
}

}  // namespace proxy
