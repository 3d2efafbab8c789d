// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/host.h"

#include "proxy/runtime/worker.h"
#include "proxy/stream/stream.h"
#include "proxy/upstream/connections.h"

namespace proxy {

Host::Host(ClusterState& cluster_state, const Endpoint& endpoint)
    : cluster(cluster_state), worker(cluster_state.worker()), address(endpoint.address), text(endpoint.text) {}

Host::~Host() {
  idle_.each([](H1Upstream& upstream) { delete &upstream; });
  busy_.each([](H1Upstream& upstream) { delete &upstream; });
  h2_.each([](H2Upstream& upstream) { delete &upstream; });
  dialing_.each([](Dial& dial) { delete &dial; });
}

Upstream* Host::take(Stream& stream, bool http2) {
  bool as_http2 = http2 || (multiplexes && !stream.upgrading());
  if (as_http2) {
    Upstream* found = nullptr;
    h2_.each([&](H2Upstream& upstream) {
      if (found || !upstream.can_take()) return;
      upstream.attach(stream);
      found = &upstream;
    });
    if (found) return found;
  } else if (!idle_.empty()) {
    H1Upstream& upstream = idle_.back();  // the warmest; others may time out
    busy_.push_back(upstream);
    upstream.attach(stream);
    return &upstream;
  }
  waiting_[as_http2].push_back(stream);
  ++waiting_count_[as_http2];
  ++cluster.counts.pending;
  // One HTTP/2 connection serves them all; HTTP/1.1 needs one each.
  bool enough = as_http2 ? dials_for_[1] > 0 : dials_for_[0] >= waiting_count_[0];
  if (!enough) dial(as_http2, stream.upgrading());
  return nullptr;
}

void Host::stop_waiting(Stream& stream) {
  for (int kind : {0, 1}) {
    bool found = false;
    waiting_[kind].each([&](Stream& other) { found |= &other == &stream; });
    if (!found) continue;
    static_cast<Link<Waiting>&>(stream).leave();
    --waiting_count_[kind];
    --cluster.counts.pending;
  }
}

void Host::dial(bool http2, bool exclusive) {
  auto* dial = new Dial(*this, http2, exclusive);  // stands in dialing_ until it is buried
  dialing_.push_back(*dial);
  ++dials_;
  ++dials_for_[http2];
  ++connections_total;
  ++cluster.counts.connections;
  if (http2) ++cluster.counts.connections_http2;
  std::string server_name = transport->sni;
  if (server_name.empty() && transport->sni_from_host && !waiting_[http2].empty()) {
    server_name = waiting_[http2].front().request.authority;
    if (size_t colon = server_name.rfind(':'); colon != std::string::npos && server_name.find(']', colon) == std::string::npos)
      server_name.resize(colon);
  }
  dial->start(server_name);
}

void Host::connected(Dial& dial, std::unique_ptr<net::Connection> connection, bool http2) {
  bool wanted = dial.wanted_http2();
  --dials_;
  --dials_for_[wanted];
  dial.leave();
  worker.bury(std::unique_ptr<Mortal>(&dial));
  if (http2) {
    bool seine = connection->tls() && connection->tls()->alpn == "seine/1";
    auto* upstream = new H2Upstream(*this, std::move(connection), seine);
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
  } else {
    auto* upstream = new H1Upstream(*this, std::move(connection));
    busy_.push_back(*upstream);
    if (wanted) {  // the peer took HTTP/1.1 although HTTP/2 was offered
      while (!waiting_[1].empty()) {
        waiting_[0].push_back(waiting_[1].front());
        --waiting_count_[1];
        ++waiting_count_[0];
      }
      for (uint32_t i = 1; i < waiting_count_[0]; ++i) this->dial(false);
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
  worker.bury(std::unique_ptr<Mortal>(&dial));
  // Those who wait would meet the same: all fail, as far as no other attempt is under way for them.
  uint32_t stay = http2 ? (dials_for_[1] ? waiting_count_[1] : 0) : std::min(dials_for_[0], waiting_count_[0]);
  while (waiting_count_[http2] > stay) {
    Stream& stream = waiting_[http2].front();
    static_cast<Link<Waiting>&>(stream).leave();
    --waiting_count_[http2];
    --cluster.counts.pending;
    stream.on_upstream_failed(failure);
  }
}

void Host::serve_waiting(bool http2) {
  while (!waiting_[http2].empty()) {
    Upstream* upstream = nullptr;
    Stream& stream = waiting_[http2].front();
    if (http2) {
      h2_.each([&](H2Upstream& candidate) {
        if (upstream || !candidate.can_take()) return;
        candidate.attach(stream);
        upstream = &candidate;
      });
    } else if (!idle_.empty()) {
      H1Upstream& candidate = idle_.back();
      busy_.push_back(candidate);
      candidate.attach(stream);
      upstream = &candidate;
    }
    if (!upstream) {
      if (http2 && !dials_for_[1]) dial(true);
      return;
    }
    static_cast<Link<Waiting>&>(stream).leave();
    --waiting_count_[http2];
    --cluster.counts.pending;
    stream.on_upstream(*upstream);
  }
}

void Host::idle(H1Upstream& upstream) {
  if (!current) return upstream.retire();
  idle_.push_back(upstream);
  if (!waiting_[0].empty()) serve_waiting(false);
}

void Host::roomy(H2Upstream&) {
  if (!waiting_[1].empty()) serve_waiting(true);
}

void Host::gone(H1Upstream& upstream) {
  static_cast<Link<InHost>&>(upstream).leave();
  worker.bury(std::unique_ptr<Mortal>(&upstream));
}

void Host::gone(H2Upstream& upstream) {
  static_cast<Link<InHost>&>(upstream).leave();
  worker.bury(std::unique_ptr<Mortal>(&upstream));
  if (!waiting_[1].empty() && !dials_for_[1]) dial(true);
}

void Host::close_idle() {
  idle_.each([](H1Upstream& upstream) { upstream.retire(); });
  h2_.each([](H2Upstream& upstream) {
    if (upstream.idle()) upstream.retire();
  });
}

void Host::retire_connections() {
  multiplexes = false;
  idle_.each([](H1Upstream& upstream) { upstream.retire(); });
  busy_.each([](H1Upstream& upstream) { upstream.retire(); });
  h2_.each([](H2Upstream& upstream) { upstream.retire(); });
}

void Host::sweep(net::Clock::time_point before) {
  idle_.each([&](H1Upstream& upstream) {
    if (upstream.idle_since() < before) upstream.retire();
  });
  h2_.each([&](H2Upstream& upstream) {
    if (upstream.idle() && upstream.idle_since() < before) upstream.retire();
  });
}

}  // namespace proxy
