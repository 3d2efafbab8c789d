// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/connection_pool.h"

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
  ConnectionKey key;
  if (keyed) key = key_of(stream);
  if (http2) {
    const bool upgrade = stream.upgrading() && !stream.connecting();
    H2Upstream* found = nullptr;
    h2_.each([&](H2Upstream& upstream) {
      if (found || !upstream.can_take() || (keyed && upstream.key != key)) return;
      if (upgrade && !upstream.knows_settings()) return;  // whether it takes tunnels
      found = &upstream;
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
  if (Upstream* found = ready_connection(stream, as_http2)) return {.upstream = found};
  if (!cluster_.take(Limited::Pending, high_)) return {.overflow = true};
  waiting_[as_http2].push_back(stream);
  ++waiting_count_[as_http2];
  ++cluster_.counts.pending;
  ++cluster_.counts.pending_total;
  // One HTTP/2 connection serves them all; HTTP/1.1 needs one each.
  bool enough;
  if (host.transport->keyed())
    enough = dialing_for(as_http2, key_of(stream), 1) && as_http2;
  else
    enough = as_http2 ? dials_for_[1] > 0 || awaits_settings() : dials_for_[0] >= waiting_count_[0];
  if (!enough) dial(as_http2, stream);
  return {};
}

// Whether so many connections of that kind are on their way.
bool ConnectionPool::dialing_for(bool http2, const ConnectionKey& key, size_t waiting) {
  size_t found = 0;
  dialing_.each([&](Dial& dial) { found += dial.wanted_http2() == http2 && dial.key == key; });
  return found >= waiting;
}

// A connection may turn out to take more, once its peer's settings are known.
bool ConnectionPool::awaits_settings() {
  bool found = false;
  h2_.each([&](H2Upstream& upstream) { found |= upstream.can_take() && !upstream.knows_settings(); });
  return found;
}

void ConnectionPool::no_longer_waits(Stream& stream, bool http2) {
  static_cast<Link<Waiting>&>(stream).leave();
  --waiting_count_[http2];
  --cluster_.counts.pending;
  cluster_.give_back(Limited::Pending, high_);
}

void ConnectionPool::stop_waiting(Stream& stream) {
  for (int kind : {0, 1}) {
    bool found = false;
    waiting_[kind].each([&](Stream& other) { found |= &other == &stream; });
    if (found) return no_longer_waits(stream, kind == 1);
  }
}

void ConnectionPool::dial(bool http2, const Stream& stream) {
  const bool first = idle_.empty() && busy_.empty() && h2_.empty() && dialing_.empty();
  auto permit = cluster_.connection_permit(high_, first);
  if (!permit) {
    if (!idle_.empty()) idle_.front().retire();
    return;
  }
  auto* dial =
      new Dial(*this, http2, !http2 && stream.upgrading(), std::move(permit));  // stands in dialing_ until it is buried
  if (host.transport->keyed()) dial->key = key_of(stream);
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
    waiting_[http2].each([&](Stream& stream) {
      if (!dialing_for(http2, key_of(stream), 1)) dial(http2, stream);
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
        waiting_[0].push_back(waiting_[1].front());
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
      if (!(key_of(stream) == dial.key)) return;
      no_longer_waits(stream, http2);
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
    no_longer_waits(stream, http2);
    stream.on_upstream_failed(failure);
  }
}

// Gives what is free to those who wait, in their order; keyed connections fit some of them only.
void ConnectionPool::serve_waiting(bool http2) {
  while (!waiting_[http2].empty()) {
    Stream* served = nullptr;
    Upstream* upstream = nullptr;
    waiting_[http2].each([&](Stream& stream) {
      if (!upstream && (upstream = ready_connection(stream, http2))) served = &stream;
    });
    if (!upstream) return dial_for_waiting(http2);
    no_longer_waits(*served, http2);
    served->on_upstream(*upstream);
  }
}

void ConnectionPool::idle(H1Upstream& upstream) {
  idle_.push_back(upstream);
  if (!waiting_[0].empty()) serve_waiting(false);
  if (!host.current) idle_.each([](H1Upstream& left) { left.retire(); });
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
  idle_.each([](H1Upstream& upstream) { upstream.retire(); });
  busy_.each([](H1Upstream& upstream) { upstream.retire(); });
  h2_.each([](H2Upstream& upstream) { upstream.retire(); });
}

void ConnectionPool::close_connections() {
  multiplexes_ = false;
  idle_.each([](H1Upstream& upstream) { upstream.retire(); });
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
  idle_.each([&](H1Upstream& upstream) {
    if (too_idle(upstream) || too_old(upstream)) upstream.retire();
  });
  h2_.each([&](H2Upstream& upstream) {
    if (upstream.retiring()) return;
    if ((upstream.idle() && too_idle(upstream)) || too_old(upstream)) upstream.retire();
  });
  if (whole.count())
    busy_.each([&](H1Upstream& upstream) {
      if (!upstream.retiring() && too_old(upstream)) upstream.retire();
    });
}

}  // namespace proxy
