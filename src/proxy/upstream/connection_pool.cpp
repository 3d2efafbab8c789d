// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/connection_pool.h"

#include "proxy/runtime/worker.h"
#include "proxy/stream/stream.h"
#include "proxy/upstream/connections.h"

namespace proxy {

ConnectionPool::ConnectionPool(Host& its_host, ConnectionKey its_key)
    : host(its_host), key(std::move(its_key)), cluster_(its_host.cluster), worker_(its_host.worker) {}

ConnectionPool::~ConnectionPool() {
  idle_.each([](H1Upstream& upstream) { delete &upstream; });
  busy_.each([](H1Upstream& upstream) { delete &upstream; });
  h2_.each([](H2Upstream& upstream) { delete &upstream; });
  dialing_.each([](Dial& dial) { delete &dial; });
}

// A connection that is there and free, with the stream attached.
Upstream* ConnectionPool::ready_connection(Stream& stream, bool http2) {
  if (http2) {
    const bool upgrade = stream.upgrading() && !stream.connecting();
    H2Upstream* found = h2_.find([&](H2Upstream& upstream) {
      return upstream.can_take() && (!upgrade || upstream.knows_settings());  // whether it takes tunnels
    });
    if (found) found->attach(stream);
    return found;
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

ConnectionPool::Taken ConnectionPool::take(Stream& stream, bool http2) {
  const bool as_http2 = http2 || (multiplexes_ && !stream.upgrading());
  if (Upstream* found = ready_connection(stream, as_http2)) return {.upstream = found};
  if (!cluster_.take(Limited::Pending, key.high)) return {.overflow = true};
  await(stream, as_http2);
  ++cluster_.counts.pending;
  ++cluster_.counts.pending_total;
  if (!enough(as_http2)) dial(as_http2, stream);
  return {};
}

// Of HTTP/1.1 each needs one. One of HTTP/2 serves them all, and may turn out to take more once its peer's settings are
// known.
bool ConnectionPool::enough(bool http2) {
  if (!http2) return dials_for_[0] >= waiting_count_[0];
  return dials_for_[1] > 0 || h2_.find([](H2Upstream& one) { return one.can_take() && !one.knows_settings(); });
}

void ConnectionPool::await(Stream& stream, bool http2) {
  waiting_[http2].push_back(stream);
  ++waiting_count_[http2];
  stream.awaited = this;
  stream.waits_for_http2 = http2;
}

void ConnectionPool::stop_waiting(Stream& stream) {
  static_cast<Link<Waiting>&>(stream).leave();
  stream.awaited = nullptr;
  --waiting_count_[stream.waits_for_http2];
  --cluster_.counts.pending;
  cluster_.give_back(Limited::Pending, key.high);
}

// The protocol that a peer chose is known: who waits for the other, and can do with this one, does.
void ConnectionPool::move_waiting(bool to_http2) {
  List<Stream, Waiting>& from = waiting_[!to_http2];
  while (!from.empty() && !(to_http2 && from.front().upgrading())) {
    --waiting_count_[!to_http2];
    await(from.front(), to_http2);
  }
}

void ConnectionPool::dial(bool http2, const Stream& stream) {
  const auto room = [&] { return cluster_.room(Limited::Connections, key.high); };
  const bool full = !room();
  // As Envoy: the first connection may be made whatever the limit, so that nobody waits for nothing.
  const bool first = idle_.empty() && busy_.empty() && h2_.empty() && dialing_.empty();
  ConnectionPermit permit = cluster_.connection_permit(key.high, first);
  if (full) {
    host.retire_idlest();  // who is idle was of no use to the stream
    if (!permit && room() && !enough(http2)) permit = cluster_.connection_permit(key.high, false);
  }
  if (permit) begin_dial(http2, !http2 && stream.upgrading(), std::move(permit));
}

void ConnectionPool::begin_dial(bool http2, bool exclusive, ConnectionPermit permit) {
  auto* dial = new Dial(*this, http2, exclusive, std::move(permit));  // stands in dialing_ until it is buried
  dialing_.push_back(*dial);
  ++dials_;
  ++dials_for_[http2];
  ++host.connections_total;
  ++cluster_.counts.connections;
  dial->start();
}

// Those who wait may do so for connections that are no more.
void ConnectionPool::dial_for_waiting(bool http2) {
  if (!waiting_[http2].empty() && !enough(http2)) dial(http2, waiting_[http2].front());
}

void ConnectionPool::dial_for_waiting() {
  dial_for_waiting(false);
  dial_for_waiting(true);
}

void ConnectionPool::connected(Dial& dial, std::unique_ptr<net::Connection> connection, bool http2) {
  bool wanted = dial.wanted_http2();
  --dials_;
  --dials_for_[wanted];
  dial.leave();
  worker_.bury(std::unique_ptr<Mortal>(&dial));
  if (http2) {
    ++cluster_.counts.connections_http2;
    bool seine = connection->tls() && connection->tls()->alpn == "seine/1";
    auto* upstream = new H2Upstream(*this, std::move(connection), seine, std::move(dial.permit));
    h2_.push_back(*upstream);
    if (!wanted && !multiplexes_) {  // those who waited for HTTP/1.1 connections share this one
      multiplexes_ = true;
      move_waiting(true);
    }
    serve_waiting(true);
    if (!host.current) upstream->retire();
  } else {
    auto* upstream = new H1Upstream(*this, std::move(connection), std::move(dial.permit));
    busy_.push_back(*upstream);
    if (wanted) {  // the peer took HTTP/1.1 although HTTP/2 was offered
      move_waiting(false);
      uint32_t more = waiting_count_[0];
      waiting_[0].each([&](Stream& stream) {
        if (more-- > 1) this->dial(false, stream);
      });
    }
    idle(*upstream);
  }
}

void ConnectionPool::connect_failed(Dial& dial, const Failure& failure) {
  bool http2 = dial.wanted_http2();
  --dials_;
  --dials_for_[http2];
  ++host.connect_failures;
  dial.leave();
  dial.permit = {};
  worker_.bury(std::unique_ptr<Mortal>(&dial));
  // Those who wait would meet the same: all fail, as far as no other attempt is under way for them.
  uint32_t stay = http2 ? (dials_for_[1] ? waiting_count_[1] : 0) : std::min(dials_for_[0], waiting_count_[0]);
  while (waiting_count_[http2] > stay) {
    Stream& stream = waiting_[http2].front();
    stop_waiting(stream);
    stream.on_upstream_failed(failure);
  }
}

// Gives what is free to those who wait, in their order as far as it is of use to them. Who is served may be done at
// once and give its connection back: the call that is at it goes on with that.
void ConnectionPool::serve_waiting(bool http2) {
  if (std::exchange(serving_[http2], true)) return;
  Upstream* upstream = nullptr;
  while (Stream* served = waiting_[http2].find(
             [&](Stream& stream) { return (upstream = ready_connection(stream, http2)) != nullptr; })) {
    stop_waiting(*served);
    served->on_upstream(*upstream);
  }
  serving_[http2] = false;
  dial_for_waiting(http2);
}

void ConnectionPool::idle(H1Upstream& upstream) {
  idle_.push_back(upstream);
  if (!waiting_[0].empty()) serve_waiting(false);
  if (!host.current && !serving_[0]) retire_all_idle();
}

void ConnectionPool::roomy(H2Upstream&) {
  if (!waiting_[1].empty()) serve_waiting(true);
}

void ConnectionPool::gone(H1Upstream& upstream) {
  static_cast<Link<InPool>&>(upstream).leave();
  upstream.permit = {};
  worker_.bury(std::unique_ptr<Mortal>(&upstream));
  dial_for_waiting();
}

void ConnectionPool::gone(H2Upstream& upstream) {
  static_cast<Link<InPool>&>(upstream).leave();
  upstream.permit = {};
  worker_.bury(std::unique_ptr<Mortal>(&upstream));
  dial_for_waiting();
}

H2Upstream* ConnectionPool::idle_h2() {
  return h2_.find([](const H2Upstream& upstream) { return upstream.idle() && !upstream.retiring(); });
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
  multiplexes_ = false;
  retire_all_idle();
  busy_.each([](H1Upstream& upstream) { upstream.retire(); });
  while (auto* one = h2_.find([](const H2Upstream& upstream) { return !upstream.retiring(); })) one->retire();
}

void ConnectionPool::close_connections() {
  multiplexes_ = false;
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
