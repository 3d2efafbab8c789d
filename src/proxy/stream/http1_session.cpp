// SPDX-License-Identifier: Apache-2.0
#include "proxy/stream/http1_session.h"

#include "base/strings.h"
#include "http/h1.h"
#include "proxy/stream/stream.h"
#include "proxy/tcp/tcp_session.h"

namespace proxy {
namespace {

namespace h1 = http::h1;

class Http1Session final : public Session, public Downstream, private net::Connection::Handler {
 public:
  Http1Session(Worker& worker, std::unique_ptr<net::Connection> connection, std::unique_ptr<Origin> origin)
      : Session(worker),
        connection_(std::move(connection)),
        origin_(std::move(origin)),
        parser_({.head = origin_->http->max_header_bytes, .fields = origin_->http->max_headers}),
        last_active_(worker.loop().now()) {
    connection_->set_handler(*this);
  }

  ~Http1Session() override {
    if (!connection_) return;  // another one carries on
    origin_->count.carried(connection_->bytes_received(), connection_->bytes_sent());
    telemetry::Record record;
    record.protocol = telemetry::Protocol::Http11;
    record.bytes_received = connection_->bytes_received();
    record.bytes_sent = connection_->bytes_sent();
    write_connection_record(worker(), *origin_, record);
  }

  void start() {
    if (origin_->draining || worker().leaving(*origin_->listener)) drain(Drain::Gently);
    if (!connection_->input().empty()) on_data(*connection_);
  }

  void drain(Drain how) override {
    if (!draining_) drain_began_ = worker().loop().now();
    draining_ = true;
    if (how == Drain::Now && !stream_ && !parser_.in_message() && !closing_) close_softly();
  }
  void sweep(net::Clock::time_point now) override {
    origin_->count.carried(connection_->bytes_received(), connection_->bytes_sent());
    if (!expired_ && origin_->too_old(now)) {
      expired_ = true;
      expired_at_ = now;
      ++origin_->count->connections_too_old;
    }
    const bool may_last = worker().retired;  // until this process ends
    if (stream_ && tunnel_ && draining_ && !may_last && now > drain_began_ + worker().options.drain_time) {
      connection_->close();
      return end();
    }
    if (stream_) return;  // sees to itself
    if (draining_ && !closing_ && now > drain_began_ + worker().options.drain_time) return close_softly();
    if (closing_) return;
    if (parser_.in_message()) {
      // However often a piece of it comes: the whole head has so long.
      const auto over = [&](std::chrono::milliseconds limit) { return limit.count() && now >= head_began_ + limit; };
      if (over(origin_->http->request_timeout)) {
        ++origin_->count->timed_out;
        keep_alive_ = false;
        return open_unknown().reply({.status = 408, .body = "request timeout", .details = "request_overall_timeout"});
      }
      if (!over(origin_->http->headers_timeout)) return;
      ++origin_->count->head_timeouts;
      keep_alive_ = false;
      return open_unknown().reply(
          {.status = 408, .body = "request header timeout", .details = "request_header_timeout"});
    }
    const auto grace = origin_->http->drain_timeout.value_or(kDrainTimeout);
    if (expired_ && !origin_->http->spare_idle_http1 && now >= expired_at_ + grace) return close_softly();
    auto limit = origin_->http->idle_timeout;
    if (limit.count() == 0 || now < last_active_ + limit) return;
    ++origin_->count->connections_idle;
    connection_->close();
    end();
  }
  const FilterChain* filter_chain() const override { return origin_->chain.get(); }
  const Listener* listener() const override { return origin_->listener.get(); }

 private:
  // --- the connection ---
  void on_data(net::Connection&) override {
    if (closing_) return;
    last_active_ = worker().loop().now();
    if (tunnel_) return pass_on();
    if (!stream_ && !parser_.in_message()) head_began_ = last_active_;
    in_loop_ = true;
    while (connection_ && !closing_ && may_parse() && step()) {
    }
    in_loop_ = false;
    if (closing_ || !connection_) return;
    if (held_ || unconsumed_ >= kMostUnconsumed) connection_->pause_reading();
  }

  // One request at a time, and none for a client that does not take the answers to those before.
  bool may_parse() {
    if (stream_) return !request_done_;
    return !connection_->full() || !(held_ = true);
  }

  // In a tunnel all bytes are the request's.
  void pass_on() {
    std::string_view bytes = connection_->input().view();
    if (bytes.empty() || !stream_) return;
    connection_->input().consume(bytes.size());
    unconsumed_ += bytes.size();
    stream_->record.downstream_wire.received += bytes.size();
    stream_->on_request_data(bytes, false);
    if (connection_ && unconsumed_ >= kMostUnconsumed) connection_->pause_reading();
  }

  // Parses one event; false where nothing more can be done now.
  bool step() {
    std::string_view all = connection_->input().view(), left = all;
    if (all.empty()) return false;
    h1::Event event = parser_.parse(left);
    auto consume = [&] {
      (stream_ ? stream_->record.downstream_wire.received : head_taken_) += all.size() - left.size();
      connection_->input().consume(all.size() - left.size());
    };
    switch (event) {
      case h1::Event::NeedMore:
        consume();
        return false;
      case h1::Event::Error:
        consume();
        refuse();
        return false;
      case h1::Event::Head: {
        h1::Body body = parser_.body();
        bool end = body.empty();
        if (end) request_done_ = parser_.parse(left) == h1::Event::Complete;
        auto spelling = h1::Spelling::learned(origin_->http->spelling, all.substr(0, all.size() - left.size()));
        consume();
        begin_request(body, end, std::move(spelling));
        return true;
      }
      case h1::Event::Data: {
        std::string_view data = parser_.data();
        bool end = body_ends_here(left);
        consume();
        unconsumed_ += data.size();
        if (stream_) stream_->on_request_data(data, end);
        return true;
      }
      case h1::Event::Complete:
        consume();
        request_done_ = true;
        if (!stream_) return false;
        if (!origin_->http->http1_trailers) parser_.trailers().clear();
        if (parser_.trailers().empty())
          stream_->on_request_data({}, true);
        else
          stream_->on_request_trailers(parser_.trailers());
        return true;
      case h1::Event::Interim:
        return false;
    }
    return false;
  }

  // The piece just parsed is the last: saves the next protocol an empty frame.
  bool body_ends_here(std::string_view& left) {
    if (parser_.body().kind != h1::Body::Kind::Length) return false;
    body_left_ -= parser_.data().size();
    if (body_left_) return false;
    request_done_ = parser_.parse(left) == h1::Event::Complete;
    return request_done_;
  }

  Stream& open_stream() {
    unconsumed_ = 0;
    head_sent_ = false;
    stream_ = &worker().new_stream();
    stream_->begin(*this, *origin_, is_old() ? telemetry::Protocol::Http10 : telemetry::Protocol::Http11, 1);
    return *stream_;
  }

  // For a message that never became a request.
  Stream& open_unknown() {
    Stream& stream = open_stream();
    http::RequestHead& unknown = stream.request;
    unknown.headers.clear();
    for (std::string* word : {&unknown.method, &unknown.path, &unknown.authority}) word->clear();
    return stream;
  }

  // As Envoy counts: without the request line, the empty one, and a byte of each field.
  void count_head(Stream& stream) {
    const http::RequestHead& head = stream.request;
    const size_t line = head.method.size() + std::max(head.path.size(), size_t{1}) + sizeof "  HTTP/1.1\r\n\r\n" - 1;
    base::ByteMeter& wire = stream.record.downstream_wire;
    wire.received = std::exchange(head_taken_, 0);
    const size_t fields = head.headers.size() + !head.authority.empty();  // Host stands there
    wire.head_received = wire.received - std::min<uint64_t>(wire.received, line + fields);
  }

  bool is_old() const { return parser_.minor_version() == 0; }

  void begin_request(h1::Body body, bool end, std::unique_ptr<h1::Spelling> spelling) {
    body_left_ = body.size;
    Stream& stream = open_stream();
    stream.request_spelling = std::move(spelling);
    std::swap(stream.request, parser_.head());
    count_head(stream);
    keep_alive_ = parser_.keep_alive();
    last_request_ = !keep_alive_ && stream.request.method != "CONNECT";
    if (const uint32_t most = origin_->http->max_requests; most && ++requests_ >= most) {
      ++origin_->count->connections_of_most_requests;
      keep_alive_ = false;
    }
    if (parser_.connection_names_fields()) h1::remove_named_by_connection(stream.request.headers);
    if (is_old() && !origin_->http->accept_http10) {
      keep_alive_ = false;
      Reply answer{.status = 426, .body = "Upgrade Required", .details = "low_version"};
      return stream.reply(std::move(answer));
    }
    if (is_old() && stream.request.authority.empty()) {
      if (origin_->http->default_host.empty()) {
        Reply answer{.status = 400, .details = "missing_host_header"};
        return stream.reply(std::move(answer));
      }
      stream.request.authority = origin_->http->default_host;
    }
    if (!origin_->http->allow_absolute_url && parser_.absolute_form())
      return stream.reply({.status = 404, .details = "absolute_path_rejected"});
    if (!origin_->http->forward_100_continue) {
      if (parser_.expects_continue()) h1::write_interim(connection_->output(), 100);
      stream.request.headers.remove("expect");  // the codec refuses all others
    }
    stream.on_request(body, end, parser_.wants_upgrade());
  }

  // The bytes are no HTTP: answer as far as that is possible, and go.
  void refuse() {
    ++origin_->count->protocol_errors;
    int status = parser_.error_status();
    Stream& stream = stream_ ? *stream_ : open_unknown();
    stream.record.set(telemetry::Flag::DownstreamProtocolError);
    keep_alive_ = false;
    if (head_sent_) {
      stream.on_downstream_reset();
      connection_->close();
      return end();
    }
    Reply answer{.status = status, .body = std::string(http::reason_phrase(status)), .details = "http1.codec_error"};
    if (status == 431)
      answer.details = parser_.error().starts_with("too many") ? "http1.too_many_headers" : "http1.headers_too_large";
    stream.reply(std::move(answer));
  }

  void close_softly() {
    closing_ = true;
    // Who asked for the end sends nothing more that a hard close could answer with a reset.
    if (request_done_ && last_request_ && connection_->input().empty()) return connection_->close_when_sent();
    if (origin_->http->delayed_close.count() == 0) return connection_->close_when_sent();
    connection_->close_after_flush(origin_->http->delayed_close);
  }

  void on_end(net::Connection&) override {
    if (stream_ && tunnel_ && !closing_) return stream_->on_request_data({}, true);
    if (stream_ && !closing_) {                      // a peer that shuts down its side still reads
      if (request_done_ && !stream_->upgrading()) {  // as Envoy: nobody is left to open a tunnel for
        keep_alive_ = false;
        return;
      }
      stream_->on_downstream_reset();
    }
    if (!connection_) return;
    if (closing_ || connection_->pending()) return close_softly();
    connection_->close();
    end();
  }
  void on_drained(net::Connection&) override {
    if (stream_) stream_->on_downstream_writable();
    if (!connection_ || !std::exchange(held_, false)) return;
    if (unconsumed_ < kMostUnconsumed) connection_->resume_reading();
  }
  void on_closed(net::Connection&, const base::Error&) override {
    if (stream_) stream_->on_downstream_reset();
    end();
  }

  void end() {
    if (stream_) stream_->on_downstream_reset();
    ++worker().counts.connections_closed;
    bury();
  }

  // --- Downstream ---
  void send_head(Stream& stream, const http::ResponseHead& head, h1::Body body, bool ended) override {
    head_sent_ = true;
    last_active_ = worker().loop().now();
    chunked_ = false;
    const auto* spelling = h1::Spelling::chosen(stream.response_spelling.get(), origin_->http->spelling);
    if (stream.tunnel()) {
      write_head(stream, head, h1::Body::none(),
                 stream.connecting() ? h1::Connection::KeepAlive : h1::Connection::Upgrade, spelling);
      tunnel_ = true;
      keep_alive_ = false;
      connection_->resume_reading();
      return;
    }
    if (ended && (stream.head_request() || head.status == 304)) {
      auto length = head.headers.get("content-length");
      auto size = length ? base::parse_number<uint64_t>(*length) : std::nullopt;
      body = size ? h1::Body::length(*size) : h1::Body::none();
    } else if (head.status == 204) {  // no length either (RFC 9110, 8.6)
      body = h1::Body::none();
    } else if (ended) {
      body = h1::Body::length(0);
    } else if (body.kind == h1::Body::Kind::UntilClose || body.kind == h1::Body::Kind::Chunked) {
      if (parser_.minor_version() == 0) {
        body = h1::Body::until_close();
        keep_alive_ = false;
      } else {
        body = h1::Body::chunked();
        chunked_ = true;
      }
    }
    delimited_ = body.kind != h1::Body::Kind::UntilClose;
    // As Envoy: what a client sent behind an Upgrade that was not granted is no request.
    if (expired_ || !request_done_ || stream.upgrading() || (head.status == 400 && stream.replied()) ||
        worker().overloaded(&OverloadState::close_connections))
      keep_alive_ = false;
    if (keep_alive_ && (worker().unwell || (draining_ && worker().time_to_close(drain_began_)))) {
      keep_alive_ = false;
      ++origin_->count->connections_drained;
    }
    auto stays = is_old() ? h1::Connection::SaysKeepAlive : h1::Connection::KeepAlive;
    write_head(stream, head, body, keep_alive_ ? stays : h1::Connection::Close, spelling);
  }
  void write_head(Stream& stream, const http::ResponseHead& head, h1::Body body, h1::Connection after,
                  const h1::Spelling* spelling) {
    const size_t before = connection_->output().size();
    h1::write_response(connection_->output(), head, body, after, spelling);
    const size_t line = sizeof "HTTP/1.1 200 \r\n\r\n" - 1 + http::reason_phrase(head.status).size();
    base::ByteMeter& wire = stream.record.downstream_wire;
    wire.sent += connection_->output().size() - before;
    wire.head_sent = wire.sent - std::min<uint64_t>(wire.sent, line);
  }
  void send_interim(Stream&, const http::ResponseHead& head) override {
    if (!connection_->full()) h1::write_interim(connection_->output(), head.status, head.headers);
  }
  size_t send_data(Stream& stream, std::string_view bytes, bool ended) override {
    if (!bytes.empty() && connection_->full()) return 0;
    last_active_ = worker().loop().now();
    if (chunked_) {
      const size_t before = connection_->output().size();
      h1::write_chunk(connection_->output(), bytes);
      if (ended) h1::write_last_chunk(connection_->output());
      stream.record.downstream_wire.sent += connection_->output().size() - before;
    } else {
      stream.record.downstream_wire.sent += bytes.size();
      connection_->write(bytes);
    }
    return bytes.size();
  }
  void send_trailers(Stream& stream, const http::Headers& trailers) override {
    if (!chunked_) return;
    const size_t before = connection_->output().size();
    h1::write_last_chunk(connection_->output(), origin_->http->http1_trailers ? trailers : http::Headers{},
                         h1::Spelling::chosen(stream.response_spelling.get(), origin_->http->spelling));
    stream.record.downstream_wire.sent += connection_->output().size() - before;
  }
  // A body whose end is told is seen to be cut off; one that ends with the connection needs a reset to say so.
  void abort(Stream&) override {
    if (delimited_) {
      keep_alive_ = false;
      return;
    }
    broken_ = true;
    connection_->reset_on_close();
  }
  void consumed(Stream&, size_t bytes) override {
    bool was_full = unconsumed_ >= kMostUnconsumed;
    unconsumed_ -= std::min(unconsumed_, bytes);
    if (was_full && unconsumed_ < kMostUnconsumed && connection_ && !held_) connection_->resume_reading();
  }
  void released(Stream&) override {
    stream_ = nullptr;
    if (!connection_ || buried()) return;
    if (broken_) {
      connection_->close();
      return end();
    }
    if (closing_) return;
    if (!keep_alive_ || (draining_ && worker().draining) || !request_done_) return close_softly();
    request_done_ = false;
    parser_.next();
    if (!in_loop_ && !held_ && !connection_->input().empty()) connection_->resume_reading();
  }

  static constexpr size_t kMostUnconsumed = 64 * 1024;
  static constexpr std::chrono::milliseconds kDrainTimeout{5'000};  // as Envoy's

  std::unique_ptr<net::Connection> connection_;
  std::unique_ptr<Origin> origin_;
  h1::RequestParser parser_;
  Stream* stream_ = nullptr;
  net::Clock::time_point last_active_, head_began_{}, drain_began_{}, expired_at_{};
  uint64_t body_left_ = 0;
  uint64_t head_taken_ = 0;  // of what is no request yet
  size_t unconsumed_ = 0;
  uint32_t requests_ = 0;  // where they are limited
  bool expired_ = false;   // has lasted as long as it may
  bool request_done_ = false;
  bool keep_alive_ = true;
  bool last_request_ = false;  // by the client's own word
  bool head_sent_ = false;
  bool chunked_ = false;
  bool tunnel_ = false;
  bool delimited_ = true;
  bool draining_ = false;
  bool closing_ = false;
  bool broken_ = false;
  bool in_loop_ = false;
  bool held_ = false;  // what the client sends, until it has taken what waits for it
};

}  // namespace

void start_http1_session(Worker& worker, std::unique_ptr<net::Connection> connection, std::unique_ptr<Origin> origin) {
  (new Http1Session(worker, std::move(connection), std::move(origin)))->start();
}

}  // namespace proxy
