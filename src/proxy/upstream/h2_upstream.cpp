// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "base/strings.h"
#include "proxy/stream/stream.h"
#include "proxy/stream/tunnel.h"
#include "proxy/upstream/connections.h"
#include "proxy/upstream/pings.h"

namespace proxy {

namespace h2 = http::h2;

static Stream* stream_of(const h2::Stream& at) { return static_cast<Stream*>(at.user); }
static h2::StreamId id_of(const Stream& stream) { return static_cast<h2::StreamId>(stream.upstream_id); }

static h2::Options options_of(const Cluster& config, bool seine) {
  h2::Options out{.plain_strings = seine, .extended_connect = false};
  if (config.http2.stream_window) out.stream_window = config.http2.stream_window;
  if (config.http2.connection_window) out.connection_window = config.http2.connection_window;
  out.header_table = config.http2.header_table;
  out.max_header_fields = config.max_response_headers;
  out.max_header_bytes = config.max_response_header_bytes;
  return out;
}

H2Upstream::H2Upstream(ConnectionPool& pool, std::unique_ptr<net::Connection> connection, bool seine,
                       ConnectionPermit its_permit)
    : permit(std::move(its_permit)),
      pool_(pool),
      host_(pool.host),
      config_(host_.config),
      connection_(std::move(connection)),
      session_(h2::Role::Client, options_of(*config_, seine), *this, connection_->output()),
      seine_(seine),
      limit_(config_->http2_streams),
      idle_since_(host_.worker.loop().now()),
      began_(host_.worker.loop().now()) {
  connection_->set_handler(*this);
  ++pool_.connections;
  ++host_.cluster.counts.active_connections;
  if (!config_->http2.ping_timeout.count()) return;
  pings_ = std::make_unique<Pings>(
      host_.worker, session_, config_->http2, [this] { flush(); },
      [this] {
        ++host_.cluster.counts.http2_keepalive_timeouts;
        lost("http2 keepalive timeout");
      });
}

void H2Upstream::on_ping_ack(uint64_t payload) {
  if (pings_) pings_->on_ack(payload);
}

H2Upstream::~H2Upstream() {
  --pool_.connections;
  --host_.cluster.counts.active_connections;
  host_.cluster.counts.connection_ended(connection_.get(), counted, host_.worker.loop().now() - began_);
}

void H2Upstream::attach(Stream& stream) {
  stream.upstream_id = 0;
  attached_.push_back(stream);
  ++streams_;
  const uint32_t most = config_->max_requests_per_connection;
  if (!most || retiring_ || served_ + streams_ < most) return;
  ++host_.cluster.counts.max_requests_reached;
  retiring_ = true;
}

void H2Upstream::detach(Stream& stream) {
  if (h2::StreamId id = id_of(stream)) session_.set_user(id, nullptr);
  stream.upstream_id = 0;
  static_cast<Link<Multiplexed>&>(stream).leave();
  ++served_;
  idle_since_ = host_.worker.loop().now();
  --streams_;
}

bool H2Upstream::takes_tunnel(const Stream& stream) const {
  return stream.connecting() || session_.peer_extended_connect();
}

void H2Upstream::send_head(Stream& stream, const http::RequestHead& head, http::h1::Body, bool end) {
  base::ByteMeter* meter = &stream.record.upstream_wire;
  *meter = {};
  if (stream.upgrading() && !stream.connecting())
    stream.upstream_id = session_.send_request(extended_connect(head), false, &stream, meter);
  else
    stream.upstream_id = session_.send_request(head, end, &stream, meter);
  if (pings_ && !gone_ && streams_ == 1 && config_->http2.ping_idle.count() &&
      host_.worker.loop().now() - idle_since_ >= config_->http2.ping_idle)
    pings_->ping();
  flush();
}

size_t H2Upstream::send_data(Stream& stream, std::string_view bytes, bool end) {
  size_t taken = session_.send_data(id_of(stream), bytes, end);
  flush();
  return taken;
}

void H2Upstream::send_trailers(Stream& stream, const http::Headers& trailers) {
  session_.send_trailers(id_of(stream), trailers);
  flush();
}

void H2Upstream::consumed(Stream& stream, size_t bytes) {
  session_.consumed(id_of(stream), bytes);
  flush();
}

void H2Upstream::reset(Stream& stream) {
  h2::StreamId id = id_of(stream);
  if (id && session_.open(id)) session_.reset(id, h2::ErrorCode::Cancel);
  detach(stream);
  if (gone_) return;
  // A peer that reads nothing, whose requests all gave up, is not waited for.
  if (lost_ || (!streams_ && (retiring_ || session_.backed_up()))) return lost({});
  flush();
  if (can_take()) pool_.roomy(*this);
}

void H2Upstream::retire() {
  retiring_ = true;
  if (!streams_) lost({});
}

void H2Upstream::flush() {
  if (gone_) return;
  connection_->output();
  connection_->full();
}

void H2Upstream::on_data(net::Connection&) {
  size_t taken = session_.receive(connection_->input().view(), host_.worker.loop().now());
  if (gone_) return;
  connection_->input().consume(taken);
  if (session_.should_close()) {
    broken_ = !session_.error().empty();  // by its own fault
    if (broken_) ++host_.cluster.counts.protocol_errors;
    return lost(session_.error());
  }
  flush();
}

void H2Upstream::on_drained(net::Connection&) {
  session_.output_drained();
  flush();
  if (can_take()) pool_.roomy(*this);
}

void H2Upstream::on_closed(net::Connection& connection, const base::Error& error) {
  host_.cluster.counts.tls.failed(connection.tls_failure());
  if (connection.tls_failure() != net::TlsFailure::None) alert_ = net::failure_of(error);
  lost(error.message);
}

// The connection is of no use any more; its streams fail.
void H2Upstream::lost(std::string_view reason) {
  if (gone_) return;
  base::log::debug("HTTP/2 connection to {} ends: {}", host_.text, reason);
  gone_ = true;
  lost_ = true;
  if (pings_) pings_->stop();
  session_.connection_lost();
  while (!attached_.empty()) {
    Stream& stream = attached_.front();
    detach(stream);
    stream.on_upstream_failed({.kind = Failure::Kind::Terminated, .transport = alert_});
  }
  connection_->close();
  const bool wasted = served_ == 0 && (went_away_ || !retiring_);
  const Failure failure{.kind = broken_ ? Failure::Kind::Protocol : Failure::Kind::Terminated, .transport = alert_};
  pool_.gone(*this, wasted ? &failure : nullptr);
}

void H2Upstream::on_response(h2::Stream& at, http::ResponseHead& head, bool end) {
  Stream* stream = stream_of(at);
  if (!stream) return;
  std::swap(stream->response, head);
  if (stream->response.status < 200) return stream->on_interim();
  if (stream->upgrading() && !stream->connecting() && stream->response.status < 300)
    note_agreed(stream->request, stream->response);
  auto length = stream->response.headers.get("content-length");
  auto size = length ? base::parse_number<uint64_t>(*length) : std::nullopt;
  stream->on_response(end    ? http::h1::Body::none()
                      : size ? http::h1::Body::length(*size)
                             : http::h1::Body::chunked(),
                      end);
}

void H2Upstream::on_data(h2::Stream& at, std::string_view bytes, bool end) {
  if (Stream* stream = stream_of(at)) return stream->on_response_data(bytes, end);
  session_.consumed(at.id, bytes.size());
}

void H2Upstream::on_trailers(h2::Stream& at, http::Headers& trailers) {
  if (Stream* stream = stream_of(at)) stream->on_response_trailers(trailers);
}

void H2Upstream::on_reset(h2::Stream& at, h2::ErrorCode code) {
  Stream* stream = stream_of(at);
  if (!stream) return;
  detach(*stream);
  Failure failure{.kind = Failure::Kind::RemoteReset, .reused = served_ > 1};
  if (code == h2::ErrorCode::RefusedStream) {
    failure.kind = Failure::Kind::RefusedStream;
    failure.unprocessed = went_away_;
  }
  const bool broken = broken_ || (!lost_ && (code == h2::ErrorCode::ProtocolError || !session_.error().empty()));
  if (broken)
    failure.kind = Failure::Kind::Protocol;
  else if (lost_)
    failure.kind = Failure::Kind::Terminated, failure.transport = alert_;
  stream->on_upstream_failed(failure);
}

void H2Upstream::on_writable(h2::Stream& at) {
  if (Stream* stream = stream_of(at)) stream->on_upstream_writable();
}

void H2Upstream::on_goaway(h2::StreamId, h2::ErrorCode) {
  retiring_ = went_away_ = true;
  if (!streams_) lost("GOAWAY");
}

void H2Upstream::on_settings() {
  if (can_take()) pool_.roomy(*this);
}

}  // namespace proxy
