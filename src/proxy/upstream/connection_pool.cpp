// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/connection_pool.h"

#include "proxy/runtime/worker.h"
#include "proxy/stream/stream.h"
#include "proxy/upstream/connections.h"

namespace proxy {

ConnectionPool::ConnectionPool(Host& its_host, ConnectionKey its_key)
    : host(its_host),
      key(std::move(its_key)),
      cluster_(its_host.cluster),
      worker_(its_host.worker),
      multiplexes_(key.http2) {}

ConnectionPool::~ConnectionPool() {
  idle_.each([](H1Upstream& upstream) { delete &upstream; });
  busy_.each([](H1Upstream& upstream) { delete &upstream; });
  h2_.each([](H2Upstream& upstream) { delete &upstream; });
  dialing_.each([](Dial& dial) { delete &dial; });
}

// A connection that is there and free, with the stream attached.
Upstream* ConnectionPool::ready_connection(Stream& stream) {
  const bool upgrade = stream.upgrading() && !stream.connecting();
  H2Upstream* multiplexed = h2_.find([&](H2Upstream& upstream) {
    return upstream.can_take() && (!upgrade || upstream.knows_settings());  // whether it takes tunnels
  });
  if (multiplexed) {
    multiplexed->attach(stream);
    return multiplexed;
  }
  H1Upstream* found = nullptr;
  if (stream.ends_connect())  // what comes is no HTTP: none may have come before
    found = idle_.find([](const H1Upstream& upstream) { return upstream.unused(); });
  else if (!idle_.empty())
    found = &idle_.back();  // the warmest; others may time out
  if (!found) return nullptr;
  busy_.push_back(*found);
  found->attach(stream);
  return found;
}

ConnectionPool::Taken ConnectionPool::take(Stream& stream) {
  if (Upstream* found = ready_connection(stream)) return {.upstream = found};
  if (!cluster_.take(Limited::Pending, key.high)) return {.overflow = true};
  waiting_.push_back(stream);
  stream.awaited = this;
  ++waiting_count_;
  ++cluster_.counts.pending;
  ++cluster_.counts.pending_total;
  if (!enough()) dial();
  return {};
}

void ConnectionPool::stop_waiting(Stream& stream) {
  static_cast<Link<Waiting>&>(stream).leave();
  stream.awaited = nullptr;
  --waiting_count_;
  --cluster_.counts.pending;
  cluster_.give_back(Limited::Pending, key.high);
}

// Of HTTP/1.1 each needs one. One of HTTP/2 serves them all, and may turn out to take more once its peer's settings are
// known.
bool ConnectionPool::enough() {
  if (!multiplexes_) return dials_ >= waiting_count_;
  return dials_ > 0 || h2_.find([](H2Upstream& one) { return one.can_take() && !one.knows_settings(); });
}

bool ConnectionPool::dial() {
  const auto room = [&] { return cluster_.room(Limited::Connections, key.high); };
  const bool full = !room();
  // As Envoy: the first connection may be made whatever the limit, so that nobody waits for nothing.
  const bool first = idle_.empty() && busy_.empty() && h2_.empty() && dialing_.empty();
  ConnectionPermit permit = cluster_.connection_permit(key.high, first);
  if (full) {
    host.retire_idlest();  // who is idle was of no use to those who wait
    if (!permit && room() && !enough()) permit = cluster_.connection_permit(key.high, false);
  }
  if (!permit) return false;
  begin_dial(std::move(permit));
  return true;
}

void ConnectionPool::begin_dial(ConnectionPermit permit) {
  auto* dial = new Dial(*this, std::move(permit));  // stands in dialing_ until it is buried
  dialing_.push_back(*dial);
  ++dials_;
  ++host.connections_total;
  ++cluster_.counts.connections;
  dial->start();
}

// Those who wait may do so for connections that are no more.
void ConnectionPool::dial_for_waiting() {
  while (!waiting_.empty() && !enough() && dial()) {
  }
}

void ConnectionPool::connected(Dial& dial, std::unique_ptr<net::Connection> connection, bool http2) {
  --dials_;
  dial.leave();
  worker_.bury(std::unique_ptr<Mortal>(&dial));
  multiplexes_ = http2;
  if (http2) {
    ++cluster_.counts.connections_http2;
    bool seine = connection->tls() && connection->tls()->alpn == "seine/1";
    auto* upstream = new H2Upstream(*this, std::move(connection), seine, std::move(dial.permit));
    h2_.push_back(*upstream);
    serve_waiting();
    if (!host.current) upstream->retire();
  } else {
    auto* upstream = new H1Upstream(*this, std::move(connection), std::move(dial.permit));
    busy_.push_back(*upstream);
    idle(*upstream);
  }
}

void ConnectionPool::connect_failed(Dial& dial, const Failure& failure) {
  --dials_;
  ++host.connect_failures;
  dial.leave();
  dial.permit = {};
  worker_.bury(std::unique_ptr<Mortal>(&dial));
  fail_waiting(failure);
}

// A connection was made in vain. Those who wait would meet the same: all fail, as far as no other is on its way for
// them. So each that is made serves somebody or ends somebody's waiting.
void ConnectionPool::fail_waiting(const Failure& failure) {
  const uint32_t stay = multiplexes_ ? (dials_ ? waiting_count_ : 0) : std::min(dials_, waiting_count_);
  while (waiting_count_ > stay) {
    Stream& stream = waiting_.front();
    stop_waiting(stream);
    stream.on_upstream_failed(failure);
  }
}

// Gives what is free to those who wait, in their order as far as it is of use to them. Who is served may be done at
// once and give its connection back: the call that is at it goes on with that.
void ConnectionPool::serve_waiting() {
  if (std::exchange(serving_, true)) return;
  Upstream* upstream = nullptr;
  while (Stream* served =
             waiting_.find([&](Stream& stream) { return (upstream = ready_connection(stream)) != nullptr; })) {
    stop_waiting(*served);
    served->on_upstream(*upstream);
  }
  serving_ = false;
  dial_for_waiting();
}

void ConnectionPool::idle(H1Upstream& upstream) {
  idle_.push_back(upstream);
  if (!waiting_.empty()) serve_waiting();
  if (!host.current && !serving_) retire_all_idle();
}

void ConnectionPool::roomy(H2Upstream&) {
  if (!waiting_.empty()) serve_waiting();
}

void ConnectionPool::gone(H1Upstream& upstream) {
  static_cast<Link<InPool>&>(upstream).leave();
  upstream.permit = {};
  worker_.bury(std::unique_ptr<Mortal>(&upstream));
  dial_for_waiting();
}

void ConnectionPool::gone(H2Upstream& upstream, const Failure* wasted) {
  static_cast<Link<InPool>&>(upstream).leave();
  upstream.permit = {};
  worker_.bury(std::unique_ptr<Mortal>(&upstream));
  if (wasted) fail_waiting(*wasted);
  dial_for_waiting();
}

H2Upstream* ConnectionPool::idle_h2() {
  return h2_.find([](const H2Upstream& upstream) {
    return upstream.idle() && !upstream.retiring() && upstream.knows_settings();  // which somebody may wait for
  });
}

std::optional<net::Clock::time_point> ConnectionPool::idle_since() {
  if (!idle_.empty()) return idle_.front().idle_since();
  if (auto* one = idle_h2()) return one->idle_since();
  return std::nullopt;
}

void ConnectionPool::retire_idlest() {
  if (!idle_.empty())
    idle_.front().retire();
  else if (auto* one = idle_h2())
    one->retire();
}

// Each that goes may take others along (dial), so that the list is looked at anew.
void ConnectionPool::retire_all_idle() {
  while (!idle_.empty()) idle_.front().retire();
}

void ConnectionPool::retire_connections() {
  multiplexes_ = key.http2;
  retire_all_idle();
  busy_.each([](H1Upstream& upstream) { upstream.retire(); });
  while (auto* one = h2_.find([](const H2Upstream& upstream) { return !upstream.retiring(); })) one->retire();
}

void ConnectionPool::close_connections() {
  multiplexes_ = key.http2;
  retire_all_idle();
  while (!busy_.empty()) busy_.front().close("host health failed");
  while (!h2_.empty()) h2_.front().close("host health failed");
}

void ConnectionPool::count_bytes() {
  const auto count = [this](auto& upstream) { cluster_.counts.carried(upstream.connection(), upstream.counted); };
  idle_.each(count);
  busy_.each(count);
  h2_.each(count);
}

void ConnectionPool::sweep(net::Clock::time_point now) {
  const auto idle = host.config->idle_timeout, whole = host.config->max_connection_duration;
  auto too_old = [&](const auto& upstream) {
    if (!whole.count() || now - upstream.began() < whole) return false;
    ++cluster_.counts.max_duration_reached;
    return true;
  };
  auto too_idle = [&](const auto& upstream) {
    if (!idle.count() || now - upstream.idle_since() < idle) return false;
    ++cluster_.counts.idle_timeouts;
    return true;
  };
  while (auto* one = idle_.find([&](const H1Upstream& upstream) { return too_idle(upstream) || too_old(upstream); }))
    one->retire();
  while (auto* one = h2_.find([&](const H2Upstream& upstream) {
    return !upstream.retiring() && ((upstream.idle() && too_idle(upstream)) || too_old(upstream));
  }))
    one->retire();
  if (whole.count())
    busy_.each([&](H1Upstream& upstream) {
      if (!upstream.retiring() && too_old(upstream)) upstream.retire();
    });
}

}  // namespace proxy
