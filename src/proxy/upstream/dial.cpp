// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "proxy/runtime/worker.h"
#include "proxy/upstream/connections.h"

namespace proxy {

// Before the next of a host's addresses is tried as well (RFC 8305, 5; Envoy waits as long).
static constexpr auto kNextAddressAfter = std::chrono::milliseconds(300);

ConnectionPermit::~ConnectionPermit() {
  if (cluster_) cluster_->give_back(Limited::Connections, high_);
}

net::Connection::Target target_of(const Cluster& config, const net::Address& address) {
  net::Connection::Target out{.address = address, .timeout = config.connect_timeout};
  if (config.source.valid() && config.source.family() == address.family()) out.source = config.source;
  out.freebind = config.freebind;
  out.keepalive = {.on = config.keepalive,
                   .probes = config.keepalive_probes,
                   .time = config.keepalive_time,
                   .interval = config.keepalive_interval};
  return out;
}

Dial::Dial(ConnectionPool& pool, ConnectionPermit its_permit)
    : permit(std::move(its_permit)),
      pool_(pool),
      host_(pool.host),
      config_(host_.config),
      transport_(*host_.transport),
      addresses_{host_.address},
      timer_(host_.worker.loop(), [this] {
        if (failed_) return fail({.kind = Failure::Kind::Connect, .transport = reason_});
        begin_next();
      }) {
  addresses_.insert(addresses_.end(), host_.additional.begin(), host_.additional.end());
}

void Dial::start() {
  server_name_ = transport_.sni_from_host                                  ? pool_.key.server_name
                 : transport_.sni_from_endpoint && !host_.hostname.empty() ? host_.hostname
                                                                           : transport_.sni;
  began_ = host_.worker.loop().now();
  begin_next();
}

// Tries the next address; where none could even be begun it tells of that later.
void Dial::begin_next() {
  while (next_ < addresses_.size()) {
    auto begun = begin(addresses_[next_++]);
    if (begun) {
      if (next_ < addresses_.size()) timer_.arm(kNextAddressAfter);
      return;
    }
    attempts_.pop_back();
    reason_ = begun.error().message;
  }
  if (!attempts_.empty()) return;
  failed_ = true;
  timer_.arm({});
}

base::Result<void> Dial::begin(const net::Address& address) {
  Worker& worker = host_.worker;
  attempts_.push_back(std::make_unique<net::Connection>(worker.loop(), static_cast<net::Connection::Handler&>(*this)));
  net::Connection& connection = *attempts_.back();
  std::shared_ptr<const net::TlsContext> context;
  Slot tls = transport_.tls;
  if (pool_.key.exclusive && transport_.tls_exclusive != kNone)
    tls = transport_.tls_exclusive;
  else if (!pool_.key.http2 && transport_.tls_http1 != kNone)
    tls = transport_.tls_http1;
  if (transport_.is_tls() && !(context = worker.config().tls_context(tls)))
    return base::fail(base::ErrorKind::Unavailable, "TLS certificates are not ready");
  TRY(connection.connect(target_of(*config_, address)));
  const std::string& preamble = pool_.key.preamble;
  if (!preamble.empty() && context) connection.send_before_tls(preamble);
  if (!preamble.empty() && !context) connection.write(preamble);
  if (!context) return {};
  // A session belongs to the name it was made for.
  const bool remember = !transport_.sni_from_host;
  if (remember && !host_.tls_memory) host_.tls_memory = std::make_shared<net::TlsMemory>();
  connection.start_tls(std::move(context), server_name_, {}, remember ? host_.tls_memory : nullptr);
  return {};
}

void Dial::on_ready(net::Connection& connection) {
  bool http2 = pool_.key.http2;
  if (const net::TlsPeer* peer = connection.tls()) {
    host_.cluster.counts.tls.handshake(*peer);
    if (transport_.check_host && !server_name_.empty() && !carries_host(server_name_, *peer)) {
      connection.close();
      host_.cluster.counts.tls.failed(net::TlsFailure::Name);
      return lost(connection, {.kind = Failure::Kind::Connect, .transport = refused_peer(kNoExpectedName)});
    }
    if (peer->alpn == "seine/1" || peer->alpn == "h2" || peer->alpn == "istio-h2")
      http2 = true;
    else if (!peer->alpn.empty())
      http2 = false;
  }
  auto mine = std::find_if(attempts_.begin(), attempts_.end(),
                           [&](const auto& attempt) { return attempt.get() == &connection; });
  auto won = std::move(*mine);
  attempts_.erase(mine);
  for (auto& other : attempts_) other->close();
  timer_.cancel();
  if (const uint32_t limit = config_->buffer_limit) {
    won->set_water_marks(limit / 2, limit);
    won->set_input_limit(limit);
  }
  host_.cluster.counts.connect_time.observe(
      std::chrono::duration<double, std::milli>(host_.worker.loop().now() - began_).count());
  pool_.connected(*this, std::move(won), http2);
}

void Dial::on_end(net::Connection& connection) {
  connection.close();
  lost(connection, {.kind = Failure::Kind::Connect, .transport = "the peer closed the connection before it was ready"});
}

void Dial::on_closed(net::Connection& connection, const base::Error& error) {
  host_.cluster.counts.tls.failed(connection.tls_failure());
  if (error.kind == base::ErrorKind::Timeout) return lost(connection, {.kind = Failure::Kind::ConnectTimeout});
  reason_ = connection.refusal().empty() ? net::failure_of(error) : refused_peer(connection.refusal());
  lost(connection, {.kind = Failure::Kind::Connect, .transport = reason_});
}

// One attempt is over; the others go on, or the next begins.
void Dial::lost(net::Connection& connection, const Failure& failure) {
  auto mine = std::find_if(attempts_.begin(), attempts_.end(),
                           [&](const auto& attempt) { return attempt.get() == &connection; });
  lost_.push_back(std::move(*mine));  // its own code may be on the stack
  attempts_.erase(mine);
  if (next_ < addresses_.size()) return begin_next();
  if (attempts_.empty()) fail(failure);
}

void Dial::fail(const Failure& failure) {
  timer_.cancel();
  pool_.connect_failed(*this, failure);
}

}  // namespace proxy
