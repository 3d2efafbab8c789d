// SPDX-License-Identifier: Apache-2.0
#include "proxy/stream/stream.h"
#include "proxy/tcp/tcp_session.h"
#include "telemetry/operator.h"

namespace proxy {
namespace {

using telemetry::Flag;

// As Envoy shows its filter state: every field by itself.
std::string json_of(const http::Headers& headers, std::optional<int> status) {
  std::string out = "{\"headers\":[";
  auto add = [&out](std::string_view name, std::string_view value) {
    out += out.ends_with('[') ? "{\"key\":" : ",{\"key\":";
    telemetry::append_json_string(name, out);
    out += ",\"value\":";
    telemetry::append_json_string(value, out);
    out += '}';
  };
  if (status) add(":status", std::to_string(*status));
  for (auto field : headers) add(field.name, field.value);
  return out + "]}";
}

// A TCP connection whose bytes travel in a request of this proxy's own: the
// request is a stream, and this is what stands downstream of it. It reads
// nothing before the far side agreed.
class TcpTunnelSession final : public Session, public Downstream, private net::Connection::Handler {
 public:
  TcpTunnelSession(Worker& worker, std::unique_ptr<net::Connection> connection, std::unique_ptr<Origin> origin)
      : Session(worker),
        connection_(std::move(connection)),
        origin_(std::move(origin)),
        config_(*origin_->chain->tcp),
        settle_(
            worker.loop(), [](void* self) { static_cast<TcpTunnelSession*>(self)->settle(); }, this),
        began_(worker.loop().now()),
        last_active_(began_) {
    connection_->set_handler(*this);
    connection_->pause_reading();
    requests_.http = &config_.tunnel->requests;
    requests_.chain = origin_->chain;
    requests_.local = origin_->local;
    requests_.redirected = origin_->redirected;
    requests_.remote = origin_->remote;
    requests_.direct = origin_->direct;
    requests_.id = origin_->id;
    requests_.local_text = origin_->local_text;
    requests_.remote_text = origin_->remote_text;
    requests_.remote_ip = origin_->remote_ip;
    requests_.server_name = origin_->server_name;
    ++worker.relays;
  }
  ~TcpTunnelSession() override { --worker().relays; }

  void start() {
    if (config_.max_duration.count() > 0) {
      auto jitter =
          config_.max_duration * (config_.max_duration_jitter / 100 * (worker().dice().roll() / 4294967296.0));
      deadline_ = began_ + config_.max_duration + std::chrono::duration_cast<net::Clock::duration>(jitter);
    }
    if (config_.log_interval.count() > 0) next_log_ = began_ + config_.log_interval;
    if (worker().leaving()) drain(Drain::Gently);
    ask();
  }

  void drain(Drain) override {
    if (worker().retired) return;  // it lasts as long as this process
    if (drained_by_ == net::Clock::time_point{}) drained_by_ = worker().loop().now() + worker().options.drain_time;
  }
  void sweep(net::Clock::time_point now) override {
    if (leaving_) return;
    if (deadline_ != net::Clock::time_point{} && now >= deadline_) {
      flags_ |= static_cast<uint32_t>(Flag::DurationTimeout);
      return end("max_duration");
    }
    if (drained_by_ != net::Clock::time_point{} && now >= drained_by_) return end("drained");
    if (open_ && config_.idle_timeout.count() > 0 && now >= last_active_ + config_.idle_timeout)
      return end("tcp_session_idle_timeout");
    if (next_log_ == net::Clock::time_point{} || now < next_log_) return;
    next_log_ = now + config_.log_interval;
    write_line({.log_type = telemetry::LogType::TcpPeriodic});
  }
  const FilterChain* filter_chain() const override { return origin_->chain.get(); }

 private:
  static constexpr size_t kMostUnconsumed = 64 * 1024;

  // Asks for the tunnel.
  void ask() {
    ++attempts_;
    refused_ = false;
    const TcpTunnel& tunnel = *config_.tunnel;
    telemetry::Record record;
    describe(worker(), *origin_, began_, record);
    Stream& stream = worker().new_stream();
    stream_ = &stream;
    stream.begin(*this, requests_, telemetry::Protocol::Http11, 0);
    http::RequestHead& head = stream.request;
    head.headers.clear();
    head.protocol.clear();
    head.method = tunnel.post ? "POST" : "CONNECT";
    head.scheme = "http";
    head.authority.clear();
    tunnel.host.append(record, head.authority);
    head.path = tunnel.post ? tunnel.path : std::string();
    tunnel.headers.apply(head.headers, record);
    stream.on_request(http::h1::Body::chunked(), false, false);
  }

  // --- the connection ---
  void on_data(net::Connection&) override {
    std::string_view bytes = connection_->input().view();
    if (bytes.empty() || !open_ || !stream_) return;
    last_active_ = worker().loop().now();
    received_ += bytes.size();
    unconsumed_ += bytes.size();
    connection_->input().consume(bytes.size());
    stream_->on_request_data(bytes, false);
    if (unconsumed_ >= kMostUnconsumed) connection_->pause_reading();
  }
  void on_end(net::Connection&) override {
    if (stream_) stream_->on_request_data({}, true);
  }
  void on_drained(net::Connection&) override {
    if (stream_) stream_->on_downstream_writable();
  }
  void on_closed(net::Connection&, const base::Error&) override {
    if (leaving_) return bury();
    if (!open_) flags_ |= static_cast<uint32_t>(Flag::DownstreamTermination);
    end({});
  }

  // --- Downstream ---
  void send_head(Stream& stream, const http::ResponseHead& head, http::h1::Body, bool) override {
    note(stream);
    const bool theirs = stream.record.details == "via_upstream";
    if (theirs && config_.tunnel->keeps_headers) headers_ = json_of(head.headers, head.status);
    const bool agreed = head.status / 100 == 2 && theirs;
    if (!agreed) {
      refused_ = true;
      if (theirs) {  // somebody is there, and says no
        stream.record.set(Flag::UpstreamConnectionFailure);
        failure_ = "tunnel_response:" + std::to_string(head.status);  // Envoy's word
      }
      note(stream);
      return settle_.schedule();
    }
    open_ = true;
    last_active_ = worker().loop().now();
    if (config_.log_on_connected) write_line({.log_type = telemetry::LogType::TcpUpstreamConnected});
    if (connection_) connection_->resume_reading();
  }
  void send_interim(Stream&, const http::ResponseHead&) override {}
  size_t send_data(Stream&, std::string_view bytes, bool end) override {
    if (!open_) return bytes.size();
    if (!bytes.empty() && connection_->full()) return 0;
    last_active_ = worker().loop().now();
    sent_ += bytes.size();
    connection_->write(bytes);
    if (end) ended_ = true;
    return bytes.size();
  }
  void send_trailers(Stream&, const http::Headers& trailers) override {
    if (config_.tunnel->keeps_trailers) trailers_ = json_of(trailers, std::nullopt);
    ended_ = true;
  }
  void abort(Stream&) override {
    if (open_) connection_->reset_on_close();
  }
  void consumed(Stream&, size_t bytes) override {
    bool was_full = unconsumed_ >= kMostUnconsumed;
    unconsumed_ -= std::min(unconsumed_, bytes);
    if (was_full && unconsumed_ < kMostUnconsumed && connection_) connection_->resume_reading();
  }
  void released(Stream& stream) override {
    note(stream);
    stream_ = nullptr;
    settle_.schedule();
  }

  // --- ends ---
  void note(Stream& stream) {
    flags_ = stream.record.flags;
    upstream_host_ = stream.record.upstream_host;
    wire_ = stream.record.upstream_wire;
    if (failure_.empty()) failure_ = stream.record.transport_failure;
    const Cluster* chosen = stream.cluster_config();
    cluster_ = chosen ? worker().cluster(chosen->slot) : nullptr;
  }

  // After what the stream told: the next attempt, or the end.
  void settle() {
    if (buried() || leaving_) return;
    if (stream_ && !refused_) return;
    if (Stream* stream = std::exchange(stream_, nullptr)) {
      const uint32_t flags = flags_;
      stream->on_downstream_reset();
      flags_ = flags;
    }
    settle_.cancel();
    if (!open_ && connection_->open() && attempts_ < config_.connect_attempts && !(flags_ & kNoUse)) {
      failure_.clear();
      return ask();
    }
    if (!open_ && !(flags_ & kNoUse)) flags_ |= static_cast<uint32_t>(Flag::UpstreamRetryLimitExceeded);
    end({});
  }

  void end(std::string_view details) {
    if (buried() || leaving_) return;
    if (stream_) {
      const uint32_t flags = flags_;
      std::exchange(stream_, nullptr)->on_downstream_reset();
      flags_ = flags;
    }
    settle_.cancel();
    telemetry::Record record;
    record.flags = flags_;
    record.details = details;
    record.transport_failure = failure_;
    record.log_type = telemetry::LogType::TcpConnectionEnd;
    write_line(record);
    if (ended_ && connection_->open()) {  // what is still to be sent goes on its way
      leaving_ = true;
      return connection_->close_after_flush(std::chrono::seconds(1));
    }
    connection_->close();
    bury();
  }

  void write_line(telemetry::Record record) {
    record.bytes_received = received_;
    record.bytes_sent = sent_;
    record.upstream_host = upstream_host_;
    record.upstream_wire = stream_ ? stream_->record.upstream_wire : wire_;
    write_tcp_record(worker(), *origin_, cluster_, began_, record,
                     {.tunnel_headers = headers_, .tunnel_trailers = trailers_});
  }

  static constexpr uint32_t kNoUse = static_cast<uint32_t>(Flag::NoClusterFound) |
                                     static_cast<uint32_t>(Flag::NoHealthyUpstream) |
                                     static_cast<uint32_t>(Flag::UpstreamOverflow);

  std::unique_ptr<net::Connection> connection_;
  std::unique_ptr<Origin> origin_;
  const TcpConfig& config_;  // of the chain
  Origin requests_;
  Stream* stream_ = nullptr;
  ClusterState* cluster_ = nullptr;
  net::Deferred settle_;
  net::Clock::time_point began_, last_active_, deadline_{}, drained_by_{}, next_log_{};
  std::string upstream_host_, failure_;
  std::string headers_, trailers_;  // of the far side's answer, as JSON, where they are kept
  base::ByteMeter wire_;            // upstream, of the request
  uint64_t received_ = 0, sent_ = 0;
  size_t unconsumed_ = 0;
  uint32_t attempts_ = 0, flags_ = 0;
  bool open_ = false;     // the far side agreed
  bool refused_ = false;  // it did not, this time
  bool ended_ = false;    // it sends no more
  bool leaving_ = false;  // the line is written; only what waits is still sent
};

}  // namespace

void start_tcp_tunnel(Worker& worker, std::unique_ptr<net::Connection> connection, std::unique_ptr<Origin> origin) {
  (new TcpTunnelSession(worker, std::move(connection), std::move(origin)))->start();
}

}  // namespace proxy
