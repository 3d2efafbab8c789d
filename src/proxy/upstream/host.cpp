// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/host.h"

#include "proxy/runtime/worker.h"
#include "proxy/stream/stream.h"
#include "proxy/upstream/connections.h"
#include "proxy/upstream/proxy_protocol.h"

namespace proxy {

Host::Host(ClusterState& cluster_state, const Endpoint& endpoint)
    : cluster(cluster_state),
      worker(cluster_state.worker()),
      address(endpoint.address),
      text(endpoint.address.text()) {}

Host::~Host() {
  idle_.each([](H1Upstream& upstream) { delete &upstream; });
  busy_.each([](H1Upstream& upstream) { delete &upstream; });
  h2_.each([](H2Upstream& upstream) { delete &upstream; });
  dialing_.each([](Dial& dial) { delete &dial; });
}

ConnectionKey Host::key_of(const Stream& stream) const {
  ConnectionKey key;
  if (transport->sni_from_host) {
    std::string_view name = stream.request.authority;
    if (!transport->sni_header.empty()) name = stream.request.headers.get(transport->sni_header).value_or(name);
    key.server_name = std::string(name);
    if (size_t colon = name.rfind(':'); colon != name.npos && name.find(']', colon) == name.npos)
      key.server_name.resize(colon);
    if (key.server_name.starts_with('[') && key.server_name.ends_with(']'))
      key.server_name = key.server_name.substr(1, key.server_name.size() - 2);
  }
  if (transport->proxy_protocol != ProxyProtocol::None)
    key.preamble = proxy_header(transport->proxy_protocol, stream.origin().remote, stream.origin().local);
  return key;
}

// A connection that is there and free, with the stream attached.
Upstream* Host::ready_connection(Stream& stream, bool http2) {
  const bool keyed = transport->keyed();
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

Host::Taken Host::take(Stream& stream, bool http2) {
  const bool as_http2 = http2 || (multiplexes && !stream.upgrading());
  if (Upstream* found = ready_connection(stream, as_http2)) return {.upstream = found};
  if (!cluster.take(Limited::Pending, stream.high_priority())) return {.overflow = true};
  waiting_[as_http2].push_back(stream);
  ++waiting_count_[as_http2];
  ++cluster.counts.pending;
  ++cluster.counts.pending_total;
  // One HTTP/2 connection serves them all; HTTP/1.1 needs one each.
  bool enough;
  if (transport->keyed())
    enough = dialing_for(as_http2, key_of(stream), 1) && as_http2;
  else
    enough = as_http2 ? dials_for_[1] > 0 || awaits_settings() : dials_for_[0] >= waiting_count_[0];
  if (!enough) dial(as_http2, stream);
  return {};
}

// Whether so many connections of that kind are on their way.
bool Host::dialing_for(bool http2, const ConnectionKey& key, size_t waiting) {
  size_t found = 0;
  dialing_.each([&](Dial& dial) { found += dial.wanted_http2() == http2 && dial.key == key; });
  return found >= waiting;
}

// A connection may turn out to take more, once its peer's settings are known.
bool Host::awaits_settings() {
  bool found = false;
  h2_.each([&](H2Upstream& upstream) { found |= upstream.can_take() && !upstream.knows_settings(); });
  return found;
}

void Host::no_longer_waits(Stream& stream, bool http2) {
  static_cast<Link<Waiting>&>(stream).leave();
  --waiting_count_[http2];
  --cluster.counts.pending;
  cluster.give_back(Limited::Pending, stream.high_priority());
}

void Host::stop_waiting(Stream& stream) {
  for (int kind : {0, 1}) {
    bool found = false;
    waiting_[kind].each([&](Stream& other) { found |= &other == &stream; });
    if (found) return no_longer_waits(stream, kind == 1);
  }
}

void Host::dial(bool http2, const Stream& stream) {
  auto permit = cluster.connection_permit(stream.high_priority(), connections == 0 && dials_ == 0);
  if (!permit) return;  // one of those that are there must do
  auto* dial =
      new Dial(*this, http2, !http2 && stream.upgrading(), std::move(permit));  // stands in dialing_ until it is buried
  if (transport->keyed()) dial->key = key_of(stream);
  dialing_.push_back(*dial);
  ++dials_;
  ++dials_for_[http2];
  ++connections_total;
  ++cluster.counts.connections;
  dial->start();
}

// Those who wait may do so for connections that are no more.
void Host::dial_for_waiting(bool http2) {
  if (waiting_[http2].empty()) return;
  const bool keyed = transport->keyed();
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

void Host::connected(Dial& dial, std::unique_ptr<net::Connection> connection, bool http2) {
  bool wanted = dial.wanted_http2();
  --dials_;
  --dials_for_[wanted];
  dial.leave();
  worker.bury(std::unique_ptr<Mortal>(&dial));
  if (http2) {
    ++cluster.counts.connections_http2;
    bool seine = connection->tls() && connection->tls()->alpn == "seine/1";
    auto* upstream = new H2Upstream(*this, std::move(connection), seine, std::move(dial.permit));
    upstream->key = std::move(dial.key);
    h2_.push_back(*upstream);
    if (!wanted && !multiplexes) {  // those who waited for HTTP/1.1 connections share this one
      multiplexes = true;
      while (!waiting_[0].empty()) {
        Stream& stream = waiting_[0].front();
        if (stream.upgrading()) break;  // its own connection is being made
        waiting_[1].push_back(stream);
        --waiting_count_[0];
        ++waiting_count_[1];
      }
    }
    serve_waiting(true);
    if (!current) upstream->retire();
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

void Host::connect_failed(Dial& dial, const Failure& failure) {
  bool http2 = dial.wanted_http2();
  --dials_;
  --dials_for_[http2];
  ++connect_failures;
  dial.leave();
  dial.permit = {};
  worker.bury(std::unique_ptr<Mortal>(&dial));
  // Those who wait would meet the same: all fail, as far as no other attempt is under way for them.
  if (transport->keyed()) {
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
    return;
  }
  uint32_t stay = http2 ? (dials_for_[1] ? waiting_count_[1] : 0) : std::min(dials_for_[0], waiting_count_[0]);
  while (waiting_count_[http2] > stay) {
    Stream& stream = waiting_[http2].front();
    no_longer_waits(stream, http2);
    stream.on_upstream_failed(failure);
  }
}

// Gives what is free to those who wait, in their order; keyed connections fit some of them only.
void Host::serve_waiting(bool http2) {
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

void Host::idle(H1Upstream& upstream) {
  idle_.push_back(upstream);
  if (!waiting_[0].empty()) serve_waiting(false);
  if (!current) idle_.each([](H1Upstream& left) { left.retire(); });
}

void Host::roomy(H2Upstream&) {
  if (!waiting_[1].empty()) serve_waiting(true);
}

void Host::gone(H1Upstream& upstream) {
  static_cast<Link<InHost>&>(upstream).leave();
  upstream.permit = {};
  worker.bury(std::unique_ptr<Mortal>(&upstream));
  dial_for_waiting(false);
}

void Host::gone(H2Upstream& upstream) {
  static_cast<Link<InHost>&>(upstream).leave();
  upstream.permit = {};
  worker.bury(std::unique_ptr<Mortal>(&upstream));
  dial_for_waiting(true);
}

void Host::retire_connections() {
  multiplexes = false;
  idle_.each([](H1Upstream& upstream) { upstream.retire(); });
  busy_.each([](H1Upstream& upstream) { upstream.retire(); });
  h2_.each([](H2Upstream& upstream) { upstream.retire(); });
}

void Host::close_connections() {
  multiplexes = false;
  idle_.each([](H1Upstream& upstream) { upstream.retire(); });
  while (!busy_.empty()) busy_.front().close("host health failed");
  while (!h2_.empty()) h2_.front().close("host health failed");
}

void Host::count_bytes() {
  const auto count = [this](auto& upstream) { cluster.counts.carried(upstream.connection(), upstream.counted); };
  idle_.each(count);
  busy_.each(count);
  h2_.each(count);
}

void Host::sweep(net::Clock::time_point now) {
  const auto idle = config->idle_timeout, whole = config->max_connection_duration;
  auto too_old = [&](const auto& upstream) {
    if (!whole.count() || now - upstream.began() < whole) return false;
    ++cluster.counts.max_duration_reached;
    return true;
  };
  auto too_idle = [&](const auto& upstream) {
    if (!idle.count() || now - upstream.idle_since() < idle) return false;
    ++cluster.counts.idle_timeouts;
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
