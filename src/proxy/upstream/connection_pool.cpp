// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/connection_pool.h"

#include <set>

#include "proxy/runtime/worker.h"
#include "proxy/stream/stream.h"
#include "proxy/upstream/connections.h"
#include "proxy/upstream/proxy_protocol.h"

namespace proxy {

ConnectionPool::ConnectionPool(Host& its_host, bool high)
    : host(its_host), cluster_(its_host.cluster), worker_(its_host.worker), high_(high) {}

ConnectionPool::~ConnectionPool() {
  idle_.each([](H1Upstream& upstream) { delete &upstream; });
  busy_.each([](H1Upstream& upstream) { delete &upstream; });
  h2_.each([](H2Upstream& upstream) { delete &upstream; });
  dialing_.each([](Dial& dial) { delete &dial; });
}

ConnectionKey ConnectionPool::key_of(const Stream& stream) const {
  ConnectionKey key;
  if (host.transport->sni_from_host) {
    std::string_view name = stream.request.authority;
    if (!host.transport->sni_header.empty())
      name = stream.request.headers.get(host.transport->sni_header).value_or(name);
    key.server_name = std::string(name);
    if (size_t colon = name.rfind(':'); colon != name.npos && name.find(']', colon) == name.npos)
      key.server_name.resize(colon);
    if (key.server_name.starts_with('[') && key.server_name.ends_with(']'))
      key.server_name = key.server_name.substr(1, key.server_name.size() - 2);
  }
  if (host.transport->proxy_protocol != ProxyProtocol::None)
    key.preamble = proxy_header(host.transport->proxy_protocol, stream.origin().remote, stream.origin().local);
  return key;
}

// A connection that is there and free, with the stream attached.
Upstream* ConnectionPool::ready_connection(Stream& stream, bool http2) {
  const bool keyed = host.transport->keyed();
  const ConnectionKey& key = stream.connection_key;
  if (http2) {
    const bool upgrade = stream.upgrading() && !stream.connecting();
    H2Upstream* found = h2_.find([&](H2Upstream& upstream) {
      if (!upstream.can_take() || (keyed && upstream.key != key)) return false;
      return !upgrade || upstream.knows_settings();  // whether it takes tunnels
    });
    if (found) found->attach(stream);
    return found;
  }
  H1Upstream* found = nullptr;
  const bool fresh = stream.ends_connect();                       // what comes is no HTTP: none may have come before
  if (!keyed && !fresh && !idle_.empty()) found = &idle_.back();  // the warmest; others may time out
  if (keyed || fresh)
    idle_.each([&](H1Upstream& upstream) {
      if ((!keyed || upstream.key == key) && (!fresh || upstream.unused())) found = &upstream;
    });
  if (!found) return nullptr;
  busy_.push_back(*found);
  found->attach(stream);
  return found;
}

ConnectionPool::Taken ConnectionPool::take(Stream& stream, bool http2) {
  const bool as_http2 = http2 || (multiplexes_ && !stream.upgrading());
  stream.connection_key = host.transport->keyed() ? key_of(stream) : ConnectionKey();
  if (Upstream* found = ready_connection(stream, as_http2)) return {.upstream = found};
  if (!cluster_.take(Limited::Pending, high_)) return {.overflow = true};
  waiting_[as_http2].push_back(stream);
  stream.waits_for_http2 = as_http2;
  ++waiting_count_[as_http2];
  ++cluster_.counts.pending;
  ++cluster_.counts.pending_total;
  // One HTTP/2 connection serves them all; HTTP/1.1 needs one each.
  bool enough;
  if (host.transport->keyed())
    enough = as_http2 && dialing_for(stream.connection_key);
  else
    enough = as_http2 ? dials_for_[1] > 0 || awaits_settings() : dials_for_[0] >= waiting_count_[0];
  if (!enough) dial(as_http2, stream);
  return {};
}

// Whether one of HTTP/2 is on its way.
bool ConnectionPool::dialing_for(const ConnectionKey& key) {
  return dialing_.find([&](const Dial& dial) { return dial.wanted_http2() && dial.key == key; });
}

// A connection may turn out to take more, once its peer's settings are known.
bool ConnectionPool::awaits_settings() {
  return h2_.find([](H2Upstream& upstream) { return upstream.can_take() && !upstream.knows_settings(); });
}

void ConnectionPool::no_longer_waits(Stream& stream) {
  static_cast<Link<Waiting>&>(stream).leave();
  --waiting_count_[stream.waits_for_http2];
  --cluster_.counts.pending;
  cluster_.give_back(Limited::Pending, high_);
}

void ConnectionPool::stop_waiting(Stream& stream) {
  if (static_cast<Link<Waiting>&>(stream).linked()) no_longer_waits(stream);
}

// As Envoy, for which those of each key are a pool: the first connection may be made whatever the limit.
bool ConnectionPool::none_of(const ConnectionKey& key) {
  const auto fits = [&](const auto& one) { return one.key == key; };
  return !idle_.find(fits) && !busy_.find(fits) && !h2_.find(fits) && !dialing_.find(fits);
}

void ConnectionPool::dial(bool http2, const Stream& stream) {
  const ConnectionKey& key = stream.connection_key;
  const bool full = !cluster_.room(Limited::Connections, high_);
  if (auto permit = cluster_.connection_permit(high_, none_of(key)))
    begin_dial(http2, !http2 && stream.upgrading(), key, std::move(permit));
  if (full) retire_idle();  // who is idle was of no use to the stream
}

// What goes lets others dial, which leads here again: one at a time.
void ConnectionPool::retire_idle() {
  if (std::exchange(retiring_idle_, true)) return;
  if (!idle_.empty())
    idle_.front().retire();
  else if (auto* idle = h2_.find([](H2Upstream& upstream) { return upstream.idle() && !upstream.retiring(); }))
    idle->retire();
  retiring_idle_ = false;
}

// Each that goes may take others along (retire_idle), so that the lists are looked at anew.
void ConnectionPool::retire_all_idle() {
  while (!idle_.empty()) idle_.front().retire();
}

void ConnectionPool::begin_dial(bool http2, bool exclusive, ConnectionKey key, ConnectionPermit permit) {
  auto* dial = new Dial(*this, http2, exclusive, std::move(permit));  // stands in dialing_ until it is buried
  dial->key = std::move(key);
  dialing_.push_back(*dial);
  ++dials_;
  ++dials_for_[http2];
  ++host.connections_total;
  ++cluster_.counts.connections;
  dial->start();
}

// Those who wait may do so for connections that are no more.
void ConnectionPool::dial_for_waiting(bool http2) {
  if (waiting_[http2].empty()) return;
  const bool keyed = host.transport->keyed();
  if (http2 && !keyed) {
    if (!dials_for_[1] && !awaits_settings()) dial(true, waiting_[1].front());
  } else if (!keyed) {
    if (dials_for_[0] < waiting_count_[0]) dial(false, waiting_[0].front());
  } else {
    std::set<std::pair<std::string_view, std::string_view>> asked;  // one of each key is on its way, or may not be
    dialing_.each([&](const Dial& dial) {
      if (dial.wanted_http2() == http2) asked.emplace(dial.key.server_name, dial.key.preamble);
    });
    waiting_[http2].each([&](Stream& stream) {
      const ConnectionKey& key = stream.connection_key;
      if (asked.emplace(key.server_name, key.preamble).second) dial(http2, stream);
    });
  }
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
    upstream->key = std::move(dial.key);
    h2_.push_back(*upstream);
    if (!wanted && !multiplexes_) {  // those who waited for HTTP/1.1 connections share this one
      multiplexes_ = true;
      while (!waiting_[0].empty()) {
        Stream& stream = waiting_[0].front();
        if (stream.upgrading()) break;  // its own connection is being made
        waiting_[1].push_back(stream);
        stream.waits_for_http2 = true;
        --waiting_count_[0];
        ++waiting_count_[1];
      }
    }
    serve_waiting(true);
    if (!host.current) upstream->retire();
  } else {
    auto* upstream = new H1Upstream(*this, std::move(connection), std::move(dial.permit));
    upstream->key = std::move(dial.key);
    busy_.push_back(*upstream);
    if (wanted) {  // the peer took HTTP/1.1 although HTTP/2 was offered
      while (!waiting_[1].empty()) {
        Stream& stream = waiting_[1].front();
        waiting_[0].push_back(stream);
        stream.waits_for_http2 = false;
        --waiting_count_[1];
        ++waiting_count_[0];
      }
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
  if (host.transport->keyed()) {
    List<Stream, Waiting> failed;
    waiting_[http2].each([&](Stream& stream) {
      if (stream.connection_key != dial.key) return;
      no_longer_waits(stream);
      failed.push_back(stream);
    });
    while (!failed.empty()) {
      Stream& stream = failed.front();
      static_cast<Link<Waiting>&>(stream).leave();
      stream.on_upstream_failed(failure);
    }
    return dial_for_waiting();
  }
  uint32_t stay = http2 ? (dials_for_[1] ? waiting_count_[1] : 0) : std::min(dials_for_[0], waiting_count_[0]);
  while (waiting_count_[http2] > stay) {
    Stream& stream = waiting_[http2].front();
    no_longer_waits(stream);
    stream.on_upstream_failed(failure);
  }
}

// Gives what is free to those who wait, in their order; keyed connections fit some of them only. Who is served may be
// done at once and give its connection back: the call that is at it goes on with that.
void ConnectionPool::serve_waiting(bool http2) {
  if (std::exchange(serving_[http2], true)) return;
  Upstream* upstream = nullptr;
  while (Stream* served = waiting_[http2].find(
             [&](Stream& stream) { return (upstream = ready_connection(stream, http2)) != nullptr; })) {
    no_longer_waits(*served);
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
