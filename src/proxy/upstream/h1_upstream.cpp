// SPDX-License-Identifier: Apache-2.0
#include <cassert>

#include "base/strings.h"
#include "proxy/stream/stream.h"
#include "proxy/upstream/connections.h"
#include "proxy/upstream/proxy_protocol.h"

namespace proxy {

namespace h1 = http::h1;

static h1::Limits limits_of(const Cluster& config) {
  return {.head = config.max_response_header_bytes, .fields = config.max_response_headers};
}

H1Upstream::H1Upstream(ConnectionPool& pool, std::unique_ptr<net::Connection> connection, ConnectionPermit its_permit)
    : permit(std::move(its_permit)),
      pool_(pool),
      host_(pool.host),
      connection_(std::move(connection)),
      parser_(limits_of(*host_.config)),
      began_(host_.worker.loop().now()) {
  connection_->set_handler(*this);
  ++pool_.connections;
  ++host_.cluster.counts.active_connections;
  ++host_.cluster.counts.connections_http1;
}

H1Upstream::~H1Upstream() {
  --pool_.connections;
  --host_.cluster.counts.active_connections;
  host_.cluster.counts.connection_ended(connection_.get(), counted, host_.worker.loop().now() - began_);
}

void H1Upstream::attach(Stream& stream) {
  stream_ = &stream;
  stream.upstream_id = 0;
}

void H1Upstream::send_head(Stream& stream, const http::RequestHead& head, h1::Body body, bool end) {
  request_done_ = end;
  response_done_ = false;
  unconsumed_ = 0;
  base::ByteMeter& wire = stream.record.upstream_wire;
  wire = {};
  const size_t before = connection_->output().size();
  auto count = [&] {
    const size_t line = head.method.size() + std::max(head.path.size(), size_t{1}) + sizeof "  HTTP/1.1\r\n\r\n" - 1;
    wire.sent = connection_->output().size() - before;
    wire.head_sent = wire.sent - std::min<uint64_t>(wire.sent, line);
  };
  if (stream.ends_connect()) {
    tunnel_ = true;
    reusable_ = false;
    if (const uint8_t version = stream.connect_proxy_version())
      connection_->write(proxy_header(version == 1 ? ProxyProtocol::V1 : ProxyProtocol::V2, stream.origin().remote,
                                      stream.origin().local));
    return;
  }
  const auto* spelling = h1::Spelling::chosen(stream.request_spelling.get(), host_.config->spelling);
  if (stream.upgrading()) {
    reusable_ = false;  // as Envoy: also where the answer is no
    request_done_ = true;
    chunked_ = false;
    parser_.next(stream.connecting() ? h1::Answers::Connect : h1::Answers::Other);
    h1::write_request(connection_->output(), head, h1::Body::none(),
                      stream.connecting() ? h1::Connection::KeepAlive : h1::Connection::Upgrade, spelling);
    return count();
  }
  parser_.next(stream.asks_head() ? h1::Answers::Head : h1::Answers::Other);
  // A request without a body says so only where its method would suggest one.
  bool bare = end && (body.kind == h1::Body::Kind::None || body.size == 0);
  if (bare)
    body = head.method == "POST" || head.method == "PUT" || head.method == "PATCH" ? h1::Body::length(0)
                                                                                   : h1::Body::none();
  else if (body.kind != h1::Body::Kind::Length)
    body = h1::Body::chunked();
  chunked_ = body.kind == h1::Body::Kind::Chunked;
  h1::write_request(connection_->output(), head, body, h1::Connection::KeepAlive, spelling);
  count();
}

size_t H1Upstream::send_data(Stream& stream, std::string_view bytes, bool end) {
  if (!bytes.empty() && connection_->full()) return 0;
  if (chunked_) {
    const size_t before = connection_->output().size();
    h1::write_chunk(connection_->output(), bytes);
    if (end) h1::write_last_chunk(connection_->output());
    stream.record.upstream_wire.sent += connection_->output().size() - before;
  } else {
    stream.record.upstream_wire.sent += bytes.size();
    connection_->write(bytes);
  }
  request_done_ |= end;
  if (end && tunnel_) connection_->shutdown_write();
  return bytes.size();
}

void H1Upstream::send_trailers(Stream& stream, const http::Headers& trailers) {
  const Cluster* config = host_.cluster.config();
  const size_t before = connection_->output().size();
  if (chunked_)
    h1::write_last_chunk(connection_->output(), config && config->http1_trailers ? trailers : http::Headers{},
                         h1::Spelling::chosen(stream.request_spelling.get(), host_.config->spelling));
  stream.record.upstream_wire.sent += connection_->output().size() - before;
  request_done_ = true;
}

void H1Upstream::consumed(Stream&, size_t bytes) {
  if (!unconsumed_) return;
  unconsumed_ -= std::min(unconsumed_, bytes);
  if (!unconsumed_ && !gone_) connection_->resume_reading();
}

void H1Upstream::on_drained(net::Connection&) {
  if (stream_) stream_->on_upstream_writable();
}

void H1Upstream::on_data(net::Connection&) {
  if (!stream_) {  // nobody asked
    connection_->close();
    return leave_pool();
  }
  while (stream_ && !gone_ && step()) {
  }
  if (unconsumed_ && stream_ && !gone_) connection_->pause_reading();
}

// Parses one event and passes it on; false where nothing more can be done now.
// True only where it took something from the input, or the response just ended.
bool H1Upstream::step() {
  std::string_view all = connection_->input().view(), left = all;
  if (all.empty()) return false;
  if (response_done_ && !tunnel_) {  // more than the response: nobody reads that, nor asks here again
    reusable_ = false;
    connection_->input().consume(all.size());
    connection_->pause_reading();
    return false;
  }
  if (tunnel_) {
    stream_->record.upstream_wire.received += all.size();
    connection_->input().consume(all.size());
    unconsumed_ += all.size();
    stream_->on_response_data(all, false);
    return true;
  }
  h1::Event event = parser_.parse(left);
  assert(left.size() < all.size() || event == h1::Event::Complete || event >= h1::Event::Error ||
         event == h1::Event::NeedMore);
  auto consume = [&] {
    stream_->record.upstream_wire.received += all.size() - left.size();
    connection_->input().consume(all.size() - left.size());
  };
  auto ended = [&] {
    response_done_ = true;
    if (!parser_.keep_alive() || !left.empty()) reusable_ = false;
  };
  switch (event) {
    case h1::Event::NeedMore:
      consume();
      return false;
    case h1::Event::Interim:
      consume();
      if (parser_.connection_names_fields()) h1::remove_named_by_connection(parser_.head().headers);
      std::swap(stream_->response, parser_.head());
      stream_->on_interim();
      return true;
    case h1::Event::Head: {
      h1::Body body = parser_.body();
      body_left_ = body.size;
      // To HEAD, and with 304, the length is told of a body that does not come.
      bool bodyless = body.empty() || stream_->asks_head() || parser_.head().status == 304;
      bool end = bodyless && parser_.parse(left) == h1::Event::Complete;
      if (parser_.connection_names_fields()) h1::remove_named_by_connection(parser_.head().headers);
      std::swap(stream_->response, parser_.head());
      stream_->response_spelling =
          h1::Spelling::learned(host_.config->spelling, all.substr(0, all.size() - left.size()));
      consume();
      count_head();
      tunnel_ = parser_.switched() && stream_->upgrading();
      if (parser_.switched()) reusable_ = false;  // whatever follows, nobody can say whose it is
      if (tunnel_) {
        end = false;
      } else if (end) {
        ended();
      }
      stream_->on_response(body, end);
      return true;
    }
    case h1::Event::Data: {
      std::string_view data = parser_.data();
      body_left_ -= std::min<uint64_t>(body_left_, data.size());
      bool end = parser_.body().kind == h1::Body::Kind::Length && body_left_ == 0 &&
                 parser_.parse(left) == h1::Event::Complete;
      consume();
      unconsumed_ += data.size();
      if (end) ended();
      stream_->on_response_data(data, end);
      return true;
    }
    case h1::Event::Complete:
      consume();
      ended();
      if (const Cluster* config = host_.cluster.config(); !config || !config->http1_trailers)
        parser_.trailers().clear();
      if (parser_.trailers().empty())
        stream_->on_response_data({}, true);
      else
        stream_->on_response_trailers(parser_.trailers());
      return true;
    case h1::Event::Error:
      ++host_.cluster.counts.protocol_errors;
      fail(Failure::Kind::Protocol, parser_.error());
      return false;
  }
  return false;
}

// As Envoy counts: without the status line, the empty one, and a byte of each field.
void H1Upstream::count_head() {
  const http::ResponseHead& head = stream_->response;
  const size_t line = sizeof "HTTP/1.1 200 \r\n\r\n" - 1 + http::reason_phrase(head.status).size();
  base::ByteMeter& wire = stream_->record.upstream_wire;
  wire.head_received = wire.received - std::min<uint64_t>(wire.received, line + head.headers.size());
}

void H1Upstream::on_end(net::Connection&) {
  if (stream_ && tunnel_) return stream_->on_response_data({}, true);
  if (stream_ && !response_done_) {
    const bool cut_off = parser_.in_message();
    if (parser_.finish() == h1::Event::Complete) {
      response_done_ = true;
      reusable_ = false;
      stream_->on_response_data({}, true);
      return;
    }
    // As Envoy: an answer that was cut off is a broken one.
    return fail(cut_off ? Failure::Kind::Protocol : Failure::Kind::Terminated);
  }
  reusable_ = false;
  if (stream_) return;
  connection_->close();
  leave_pool();
}

void H1Upstream::on_closed(net::Connection& connection, const base::Error& error) {
  const net::TlsFailure failure = connection.tls_failure();  // e.g. TLS 1.3's word about this side's certificate
  host_.cluster.counts.tls.failed(failure);
  if (stream_) return fail(Failure::Kind::Terminated, failure == net::TlsFailure::None ? "" : net::failure_of(error));
  leave_pool();
}

void H1Upstream::fail(Failure::Kind kind, std::string_view transport) {
  connection_->close();
  bool reused = served_ > 0 && !parser_.in_message();
  Stream* stream = std::exchange(stream_, nullptr);
  leave_pool();
  if (stream) stream->on_upstream_failed({.kind = kind, .transport = transport, .reused = reused});
}

void H1Upstream::reset(Stream&) {
  stream_ = nullptr;
  if (gone_) return;
  ++served_;
  const uint32_t most = host_.config->max_requests_per_connection;
  const bool spent = most && served_ >= most;
  if (spent) ++host_.cluster.counts.max_requests_reached;
  if (!response_done_ || !request_done_ || !reusable_ || spent || !connection_->open()) {
    connection_->close();
    return leave_pool();
  }
  if (unconsumed_) {
    unconsumed_ = 0;
    connection_->resume_reading();
  }
  idle_since_ = host_.worker.loop().now();
  pool_.idle(*this);
}

void H1Upstream::retire() {
  reusable_ = false;
  if (stream_ || gone_) return;
  connection_->close();
  leave_pool();
}

void H1Upstream::leave_pool() {
  if (gone_) return;
  gone_ = true;
  pool_.gone(*this);
}

}  // namespace proxy
