// SPDX-License-Identifier: Apache-2.0
#include <openssl/evp.h>

#include "base/log.h"
#include "base/strings.h"
#include "capture/original.h"
#include "http/h2.h"
#include "proxy/listener/client_hello.h"
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
      : Session(worker), connection_(std::make_unique<net::Connection>(worker.loop(), static_cast<net::Connection::Handler&>(*this))),
        origin_(std::make_unique<Origin>()) {
    origin_->listener = std::move(listener);
  }

  void start(int fd, const net::Address& peer) {
    if (auto adopted = connection_->adopt(fd, peer); !adopted) return bury();
    origin_->remote = connection_->remote();
    origin_->local = connection_->local();
    started_ = worker().loop().now();
    if (origin_->listener->original_destination)
      if (auto original = capture::original_destination(fd)) origin_->local = *original;
    if (origin_->listener->hand_over)
      if (auto other = worker().config().hand_over(origin_->local)) origin_->listener = std::move(other);
    arrival_.local = origin_->local;
    arrival_.remote = origin_->remote;
    look_for_tls_ = origin_->listener->tls_inspector.runs_for(origin_->local.port());
    look_for_http_ = origin_->listener->http_inspector.runs_for(origin_->local.port());
    if (!look_for_tls_ && !look_for_http_) choose_chain();
  }

  void drain(Drain) override { end(); }
  void sweep(net::Clock::time_point now) override {
    const Listener& listener = *origin_->listener;
    bool inspecting = stage_ == Stage::Inspect;
    if (inspecting && listener.inspect_timeout.count() > 0 && now > started_ + listener.inspect_timeout) {
      if (!listener.continue_on_timeout) return end();
      look_for_tls_ = look_for_http_ = false;
      choose_chain();
    } else if (!inspecting && now > started_ + std::chrono::seconds(60)) {
      end();
    }
  }
  const FilterChain* filter_chain() const override { return origin_ ? origin_->chain.get() : nullptr; }

 private:
  enum class Stage : uint8_t { Inspect, Handshake, Codec };

  void end() {
    if (connection_) connection_->close();
    bury();
  }

  void on_data(net::Connection&) override {
    if (stage_ == Stage::Inspect) return inspect();
    if (stage_ == Stage::Codec) choose_codec();
  }
  void on_end(net::Connection&) override { end(); }
  void on_closed(net::Connection&, const base::Error& error) override {
    if (stage_ == Stage::Handshake) {
      ++worker().counts.tls_failures;
      base::log::debug("handshake with {} failed: {}", origin_->remote.text(), error.message);
    }
    bury();
  }

  void inspect() {
    std::string_view bytes = connection_->input().view();
    if (look_for_tls_) {
      Look look = ClientHello::parse(bytes, hello_);
      if (look == Look::NeedMore && bytes.size() < 64 * 1024) return;
      look_for_tls_ = false;
      if (look == Look::Yes) {
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
    if (!found) {
      ++worker().counts.no_filter_chain;
      telemetry::Record record;
      record.set(telemetry::Flag::NoRouteFound);
      record.details = "filter_chain_not_found";
      describe_addresses();
      record.downstream_local = origin_->local_text;
      record.downstream_remote = origin_->remote_text;
      record.server_name = arrival_.server_name;
      record.start = worker().wall_clock();
      for (const auto& log : listener.access_logs) worker().log(*log, record);
      return end();
    }
    origin_->chain = find_shared(listener, found);
    if (!found->transport.is_tls()) {
      stage_ = Stage::Codec;
      return begin_protocol();
    }
    auto context = worker().config().tls_context(found->transport.tls);
    if (!context) {  // its certificate is not there: never clear text
      ++worker().counts.tls_failures;
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
    ++worker().counts.tls_handshakes;
    stage_ = Stage::Codec;
    origin_->describe(*connection_->tls());
    const FilterChain& chain = *origin_->chain;
    if (chain.require_client_certificate && !carries_name(chain.transport.sans, *origin_->tls)) {
      ++worker().counts.identity_failures;
      base::log::debug("{} has a certificate for {}, which is not of this trust domain", origin_->remote.text(),
                       base::printable(origin_->peer_uri));
      return end();
    }
    begin_protocol();
  }

  void describe_addresses() {
    origin_->local_text = origin_->local.text();
    origin_->remote_text = origin_->remote.text();
    origin_->remote_ip = origin_->remote.ip();
  }

  void begin_protocol() {
    describe_addresses();
    const FilterChain& chain = *origin_->chain;
    for (const auto& filter : chain.filters)
      if (auto why = filter->refuses(worker(), *origin_)) return refuse(*why);
    if (chain.tcp) {
      start_tcp_session(worker(), std::move(connection_), std::move(origin_));
      return bury();
    }
    origin_->http = chain.http.get();
    choose_codec();
  }

  // A network filter ends the connection.
  void refuse(std::string_view why) {
    telemetry::Record record;
    record.termination_details = why;
    record.downstream_local = origin_->local_text;
    record.downstream_remote = origin_->remote_text;
    record.peer_uri_san = origin_->peer_uri;
    record.server_name = origin_->server_name;
    record.start = worker().wall_clock();
    const FilterChain& chain = *origin_->chain;
    if (chain.tcp)
      for (const auto& log : chain.tcp->access_logs) worker().log(*log, record);
    for (const auto& log : origin_->listener->access_logs) worker().log(*log, record);
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
  bool look_for_tls_ = false, look_for_http_ = false, known_http1_ = false;
  net::Clock::time_point started_{};
};

}  // namespace

void Origin::describe(const net::TlsPeer& peer) {
  tls = &peer;
  server_name = peer.server_name;
  mutual_tls = !peer.certificate_der.empty();
  if (!mutual_tls) return;
  if (!peer.uri_names.empty()) peer_uri = peer.uri_names[0];
  for (const std::string& organization : peer.organizations) subject += (subject.empty() ? "O=" : ",O=") + organization;
  if (!peer.common_name.empty()) subject += (subject.empty() ? "CN=" : ",CN=") + peer.common_name;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(peer.certificate_der.data(), peer.certificate_der.size(), digest, &size, EVP_sha256(), nullptr) == 1)
    certificate_hash = base::to_hex({reinterpret_cast<const char*>(digest), size});
}

void begin_session(Worker& worker, std::shared_ptr<const Listener> listener, int fd, const net::Address& peer) {
  ++worker.counts.connections;
  (new ArrivalSession(worker, std::move(listener)))->start(fd, peer);
}

}  // namespace proxy
