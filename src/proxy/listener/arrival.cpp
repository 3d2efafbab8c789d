// SPDX-License-Identifier: Apache-2.0
#include <openssl/evp.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strings.h"
#include "capture/original.h"
#include "http/h2.h"
#include "proxy/listener/client_hello.h"
#include "proxy/listener/proxy_header.h"
#include "proxy/listener/session.h"
#include "proxy/stream/http1_session.h"
#include "proxy/stream/http2_session.h"
#include "proxy/tcp/tcp_session.h"

namespace proxy {
namespace {

// A connection that nobody knows the protocol of yet: original destination,
// inspectors, filter chain, handshake, then its codec.
class ArrivalSession final : public Session, private net::Connection::Handler {
 public:
  ArrivalSession(Worker& worker, std::shared_ptr<const Listener> listener)
      : Session(worker),
        connection_(std::make_unique<net::Connection>(worker.loop(), static_cast<net::Connection::Handler&>(*this))),
        origin_(std::make_unique<Origin>()) {
    origin_->listener = std::move(listener);
  }

  ~ArrivalSession() override {
    settle();
    if (!origin_ || !origin_->listener || logged_) return;
    if (!origin_->chain) describe_addresses();
    telemetry::Record record;
    record.downstream_failure = failure_;
    record.bytes_received = connection_->bytes_received();
    record.bytes_sent = connection_->bytes_sent();
    write_connection_record(worker(), *origin_, record);
  }

  void start(int fd, const net::Address& peer, Place place, Place global_place) {
    origin_->place = std::move(place);
    origin_->global_place = std::move(global_place);
    if (auto adopted = connection_->adopt(fd, peer); !adopted) return bury();
    connection_->end_at_reset();
    const Listener& listener = *origin_->listener;
    if (listener.buffer_limit) connection_->set_water_marks(listener.buffer_limit / 2, listener.buffer_limit);
    origin_->remote = origin_->direct = connection_->remote();
    origin_->local = origin_->came_in = connection_->local();
    started_ = origin_->began = worker().loop().now();
    arrive();
    if (listener.original_destination) find_original(fd);
    look_for_header_ = listener.proxy_protocol.has_value();
    if (!look_for_header_) addresses_known();
  }

  // Its first request may be on its way: that is answered, with the wish to close.
  void drain(Drain) override {
    if (origin_ && !origin_->draining) {
      origin_->draining = true;
      drain_by_ = worker().loop().now() + worker().options.drain_time;
    }
  }
  void sweep(net::Clock::time_point now) override {
    const Listener& listener = *origin_->listener;
    if (origin_->draining && now > drain_by_) return end();
    bool inspecting = stage_ == Stage::Inspect;
    if (inspecting && listener.inspect_timeout.count() > 0 && now > started_ + listener.inspect_timeout) {
      ++origin_->arrived->inspected_too_long;
      // A header that is asked for tells who the peer is: there is no going on without it.
      if (!listener.continue_on_timeout || look_for_header_) return end_unread();
      look_for_tls_ = look_for_http_ = false;
      choose_chain();
    } else if (!inspecting && now > started_ + std::chrono::seconds(60)) {
      end();
    } else if (origin_->http && origin_->too_old(now)) {
      ++origin_->count->connections_too_old;
      end();
    }
  }
  const FilterChain* filter_chain() const override { return origin_ ? origin_->chain.get() : nullptr; }
  const Listener* listener() const override { return origin_ ? origin_->listener.get() : nullptr; }

 private:
  enum class Stage : uint8_t { Inspect, Handshake, Asking, Codec };

  // Where the connection was going. The kernel tells it of every connection that it tracks, so what it was not
  // redirected to counts only: that is another address than the one it came in at, or, where the kernel hands over
  // connections without changing them (TPROXY), one that the listener does not listen at.
  void find_original(int fd) {
    if (auto original = capture::original_destination(fd); original && *original != origin_->local) {
      origin_->local = *original;
      origin_->redirected = true;
      return;
    }
    const Listener& listener = *origin_->listener;
    const auto listens_at = [&](const net::Address& address) { return address.port() == origin_->local.port(); };
    const bool transparent = std::ranges::any_of(listener.sockets, &SocketSpec::transparent);
    origin_->redirected = transparent && std::ranges::none_of(listener.addresses, listens_at);
  }

  // Among the listener's connections, and those that have no filter chain yet.
  void arrive() {
    origin_->arrived.begin(worker().listener_counts(origin_->listener->stat_name), started_);
    ++origin_->arrived->waiting;
    waiting_ = true;
  }
  void settle() {
    if (std::exchange(waiting_, false)) --origin_->arrived->waiting;
  }

  void end() {
    if (connection_) connection_->close();
    bury();
  }

  // What it is was never known: as Envoy, a reset, and a line for it.
  void end_unread() {
    describe_addresses();
    telemetry::Record record;
    write_connection_record(worker(), *origin_, record);
    logged_ = true;
    connection_->reset_on_close();
    end();
  }

  void on_data(net::Connection&) override {
    if (stage_ == Stage::Inspect) return inspect();
    if (stage_ == Stage::Codec) choose_codec();
  }
  void on_end(net::Connection&) override { end(); }
  void on_closed(net::Connection& connection, const base::Error& error) override {
    if (stage_ == Stage::Handshake) {
      origin_->arrived->tls.failed(connection.tls_failure());
      failure_ = net::failure_of(error);
      describe_addresses();
    }
    bury();
  }

  // Where it goes and where it comes from is settled: the listener may be another one now.
  void addresses_known() {
    if (origin_->listener->hand_over)
      if (auto other = worker().config().hand_over(origin_->local)) {
        settle();
        origin_->listener = std::move(other);
        arrive();
      }
    arrival_.local = origin_->local;
    arrival_.remote = origin_->remote;
    arrival_.direct = origin_->direct;
    look_for_tls_ = origin_->listener->tls_inspector.runs_for(origin_->local.port());
    look_for_http_ = origin_->listener->http_inspector.runs_for(origin_->local.port());
    if (!look_for_tls_ && !look_for_http_) choose_chain();
  }

  void read_header() {
    ProxyHeader header;
    Look look = ProxyHeader::parse(connection_->input().view(), *origin_->listener->proxy_protocol, header);
    if (look == Look::NeedMore) return;
    if (look == Look::No) {
      ++origin_->arrived->header_errors;
      return end();
    }
    look_for_header_ = false;
    connection_->drop_preamble(header.size);
    if (header.source.valid()) {
      origin_->remote = header.source;
      origin_->redirected |= header.destination != origin_->local;
      origin_->local = header.destination;
    }
    addresses_known();
    if (stage_ == Stage::Inspect && !buried() && !connection_->input().empty()) inspect();
  }

  void inspect() {
    if (look_for_header_) return read_header();
    std::string_view bytes = connection_->input().view();
    if (look_for_tls_) {
      Look look = ClientHello::parse(bytes, hello_);
      if (look == Look::NeedMore && bytes.size() < origin_->listener->hello_limit) return;
      look_for_tls_ = false;
      worker().counts.hello_too_large += look == Look::NeedMore;
      ++(look == Look::Yes ? worker().counts.tls_found : worker().counts.tls_not_found);
      if (look == Look::Yes) {
        worker().counts.sni_found += !hello_.server_name.empty();
        worker().counts.alpn_found += !hello_.protocols.empty();
        arrival_.transport = "tls";
        arrival_.server_name = origin_->server_name = hello_.server_name;
        for (const std::string& protocol : hello_.protocols) arrival_.protocols.push_back(protocol);
        look_for_http_ = false;
      }
    }
    if (look_for_http_) {
      std::string_view protocol;
      Look look = look_for_http(bytes, protocol);
      if (look == Look::NeedMore) return;
      look_for_http_ = false;
      WorkerCounts& counts = worker().counts;
      ++(look != Look::Yes        ? counts.http_not_found
         : protocol == "h2c"      ? counts.http2_found
         : protocol == "http/1.0" ? counts.http10_found
                                  : counts.http11_found);
      if (look == Look::Yes) {
        arrival_.protocols.push_back(protocol);
        known_http1_ = protocol != "h2c";
      }
    }
    choose_chain();
  }

  void choose_chain() {
    const Listener& listener = *origin_->listener;
    const FilterChain* found = listener.chain_for(arrival_);
    settle();
    if (!found) {
      ++origin_->arrived->no_chain;
      telemetry::Record record;
      record.set(telemetry::Flag::NoRouteFound);
      record.details = "filter_chain_not_found";
      describe_addresses();
      record.downstream_local = origin_->local_text;
      record.downstream_remote = origin_->remote_text;
      record.server_name = arrival_.server_name;
      record.start = worker().wall_clock();
      for (const auto& log : listener.access_logs) worker().log(*log, record);
      logged_ = true;
      return end();
    }
    origin_->chain = find_shared(listener, found);
    if (!found->transport.is_tls()) {
      stage_ = Stage::Codec;
      return begin_protocol();
    }
    auto context = worker().config().tls_context(found->transport.tls);
    if (!context) {  // its certificate is not there: never clear text
      ++origin_->arrived->tls.errors;
      return end();
    }
    stage_ = Stage::Handshake;
    auto timeout = found->transport_timeout.count() > 0 ? found->transport_timeout : std::chrono::milliseconds(15'000);
    connection_->start_tls(std::move(context), {}, timeout);
  }

  static std::shared_ptr<const FilterChain> find_shared(const Listener& listener, const FilterChain* found) {
    for (const auto& chain : listener.chains)
      if (chain.get() == found) return chain;
    return listener.default_chain;
  }

  void on_ready(net::Connection&) override {
    origin_->arrived->tls.handshake(*connection_->tls());
    stage_ = Stage::Codec;
    origin_->describe(*connection_->tls());
    begin_protocol();
  }

  void describe_addresses() {
    origin_->id = worker().counts.connections << 8 | (worker().options.index & 0xff);
    origin_->local_text = origin_->local.text();
    origin_->remote_text = origin_->remote.text();
    origin_->remote_ip = origin_->remote.ip();
    origin_->direct_text = origin_->direct.text();
  }

  void begin_protocol() {
    describe_addresses();
    run_filters(0);
  }

  // Nothing is read while one of them waits.
  void run_filters(size_t next) {
    const FilterChain& chain = *origin_->chain;
    for (; next < chain.filters.size(); ++next) {
      const NetworkFilter& filter = *chain.filters[next];
      if (auto why = filter.refuses(worker(), *origin_)) return refuse({.why = std::move(*why)});
      auto go_on = [this, next](std::optional<NetworkFilter::Refusal> refusal) {
        if (buried()) return;
        connection_->resume_reading();
        if (refusal) return refuse(*refusal);
        run_filters(next + 1);
      };
      if (!filter.asks(worker(), *origin_, std::move(go_on))) continue;
      stage_ = Stage::Asking;
      return connection_->pause_reading();
    }
    stage_ = Stage::Codec;
    if (chain.tcp) {
      start_tcp_session(worker(), std::move(connection_), std::move(origin_));
      return bury();
    }
    origin_->http = chain.http.get();
    origin_->count.begin(worker().http_counts(origin_->listener->stat_name, chain.http->stat_prefix),
                         origin_->tls != nullptr);
    choose_codec();
  }

  // A network filter ends the connection.
  void refuse(const NetworkFilter::Refusal& refusal) {
    logged_ = true;
    telemetry::Record record;
    record.termination_details = refusal.why;
    record.details = refusal.details;
    record.flags |= refusal.flags;
    record.bytes_received = connection_->bytes_received();
    write_connection_record(worker(), *origin_, record);
    end();
  }

  void choose_codec() {
    using Codec = HttpConfig::Codec;
    const HttpConfig& http = *origin_->http;
    bool http2 = http.codec == Codec::Http2;
    if (http.codec == Codec::Auto && !known_http1_) {
      std::string_view alpn = origin_->tls ? std::string_view(origin_->tls->alpn) : std::string_view();
      if (alpn == "seine/1") {
        http2 = origin_->from_seine = true;
      } else if (alpn == "h2" || alpn == "istio-h2") {
        http2 = true;
      } else if (alpn.empty()) {
        std::string_view bytes = connection_->input().view(), preface = http::h2::kPreface;
        if (bytes.empty()) return;  // the first bytes tell
        size_t common = std::min(bytes.size(), preface.size());
        http2 = bytes.substr(0, common) == preface.substr(0, common);
        if (http2 && common < 4) return;
      }
    }
    origin_->count.speaks(http2);
    if (http2) {
      start_http2_session(worker(), std::move(connection_), std::move(origin_));
    } else {
      start_http1_session(worker(), std::move(connection_), std::move(origin_));
    }
    bury();
  }

  std::unique_ptr<net::Connection> connection_;
  std::unique_ptr<Origin> origin_;
  Arrival arrival_;
  ClientHello hello_;
  Stage stage_ = Stage::Inspect;
  bool look_for_header_ = false, look_for_tls_ = false, look_for_http_ = false, known_http1_ = false;
  bool waiting_ = false, logged_ = false;
  std::string failure_;  // of its handshake
  net::Clock::time_point started_{}, drain_by_{};
};

}  // namespace

void Origin::describe(const net::TlsPeer& peer) {
  tls = &peer;
  tls_on = true;
  server_name = peer.server_name;
  mutual_tls = !peer.certificate_der.empty();
  if (!mutual_tls) return;
  if (!peer.uri_names.empty()) peer_uri = peer.uri_names[0];
  if (!peer.common_name.empty()) subject = "CN=" + peer.common_name;
  for (auto it = peer.organizations.rbegin(); it != peer.organizations.rend(); ++it)
    subject += (subject.empty() ? "O=" : ",O=") + *it;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(peer.certificate_der.data(), peer.certificate_der.size(), digest, &size, EVP_sha256(), nullptr) == 1)
    certificate_hash = base::to_hex({reinterpret_cast<const char*>(digest), size});
}

bool Place::take(const std::shared_ptr<ConnectionLimit>& limit) {
  if (!limit) return true;
  if (limit->now.fetch_add(1, std::memory_order_relaxed) >= limit->limit.load(std::memory_order_relaxed)) {
    limit->now.fetch_sub(1, std::memory_order_relaxed);
    limit->refused.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  limit_ = limit;
  return true;
}

void begin_session(Worker& worker, std::shared_ptr<const Listener> listener, int fd, const net::Address& peer) {
  Place place, global_place;
  if (!place.take(listener->limit)) {
    ++worker.listener_counts(listener->stat_name).over_limit;
    ::close(fd);
    return;
  }
  if (!listener->ignore_global_limit && !global_place.take(worker.options.connection_limit)) {
    ++worker.listener_counts(listener->stat_name).over_global_limit;
    ::close(fd);
    return;
  }
  ++worker.counts.connections;
  (new ArrivalSession(worker, std::move(listener)))->start(fd, peer, std::move(place), std::move(global_place));
}

}  // namespace proxy
