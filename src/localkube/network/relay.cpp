// SPDX-License-Identifier: Apache-2.0
#include "localkube/network/relay.h"

namespace localkube {

// Two connections and the bytes between them.
class Relay::Pair {
 public:
  Pair(Relay& relay, net::Loop& loop) : relay_(relay), outer_(loop, *this), inner_(loop, *this) {
    outer_.other = &inner_;
    inner_.other = &outer_;
  }

  bool start(int fd, const net::Address& peer, const net::Address& target) {
    auto adopted = outer_.connection.adopt(fd, peer);
    auto connecting = inner_.connection.connect({.address = target});
    return adopted && connecting;
  }
  bool start(int fd, const net::Address& peer, Fd inside) {
    auto adopted = outer_.connection.adopt(fd, peer);
    auto other = inner_.connection.adopt(inside.release());
    return adopted && other;
  }

 private:
  struct Half final : net::Connection::Handler {
    Half(net::Loop& loop, Pair& of_pair) : connection(loop, *this), pair(of_pair) {}
    net::Connection connection;
    Half* other = nullptr;
    Pair& pair;

    void on_data(net::Connection& from) override {
      other->connection.output().append(std::move(from.input()));
      if (other->connection.full()) from.pause_reading();
    }
    void on_end(net::Connection&) override { other->connection.shutdown_write(); }
    void on_drained(net::Connection&) override { other->connection.resume_reading(); }
    void on_closed(net::Connection&, const base::Error&) override {
      closed = true;
      if (other->closed) return pair.end();
      // What was read here may still be on its way out there.
      other->connection.close_after_flush(std::chrono::seconds(1));
    }
    bool closed = false;
  };

  void end() {
    relay_.pairs_.erase(this);
    delete this;
  }

  Relay& relay_;
  Half outer_;
  Half inner_;
};

base::Result<std::unique_ptr<Relay>> Relay::begin(std::unique_ptr<Relay> relay, Fd listening) {
  Relay* at = relay.get();
  relay->listener_ = TRY(net::Listener::adopt(at->loop_, listening.release(),
                                              [at](int fd, const net::Address& peer) { at->accepted(fd, peer); }));
  return relay;
}

base::Result<std::unique_ptr<Relay>> Relay::make(net::Loop& loop, Fd listening, const net::Address& target) {
  std::unique_ptr<Relay> relay(new Relay(loop));
  relay->target_ = target;
  return begin(std::move(relay), std::move(listening));
}

base::Result<std::unique_ptr<Relay>> Relay::make(net::Loop& loop, Fd listening, Dial dial) {
  std::unique_ptr<Relay> relay(new Relay(loop));
  relay->dial_ = std::move(dial);
  return begin(std::move(relay), std::move(listening));
}

Relay::~Relay() {
  listener_.reset();
  for (Pair* pair : pairs_) delete pair;
}

void Relay::accepted(int fd, const net::Address& peer) {
  if (dial_) return net::spawn(dial_for(this, alive_, Fd(fd), peer));
  auto pair = std::make_unique<Pair>(*this, loop_);
  if (pair->start(fd, peer, target_)) pairs_.insert(pair.release());
}

net::Task<void> Relay::dial_for(Relay* self, std::weak_ptr<bool> alive, Fd accepted, net::Address peer) {
  auto inside = co_await self->dial_();
  if (!alive.lock() || !inside) co_return;
  auto pair = std::make_unique<Pair>(*self, self->loop_);
  if (pair->start(accepted.release(), peer, std::move(*inside))) self->pairs_.insert(pair.release());
}

}  // namespace localkube
