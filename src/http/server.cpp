// SPDX-License-Identifier: Apache-2.0
#include "http/server.h"

#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "http/h2.h"
#include "http/server_core.h"
#include "http/server_h1.h"
#include "http/server_h2.h"

namespace http {
namespace {

constexpr auto kLinger = std::chrono::seconds(2);

net::Task<void> run(std::shared_ptr<ServerCore> core, std::shared_ptr<ServerExchange> exchange) {
  co_await core->handler(exchange);
  exchange->handler_ended();
}

}  // namespace

ServerConnection::ServerConnection(ServerCore& core, net::Loop& loop)
    : core_(core),
      transport_(std::make_unique<net::Connection>(loop, *this)),
      timer_(loop,
             [this] {
               if (protocol_) {
                 protocol_->on_timeout();
               } else {
                 retire();
               }
             }),
      heard_(loop.now()) {}

base::Result<void> ServerConnection::open(int fd, const net::Address& peer,
                                          std::shared_ptr<const net::TlsContext> tls) {
  TRY(transport_->adopt(fd, peer));
  if (tls) transport_->start_tls(std::move(tls));
  arm(core_.options.header_timeout);
  return {};
}

ServerExchange::Peers ServerConnection::peers() { return {transport_->remote(), transport_->local(), tls_}; }

void ServerConnection::serve(std::shared_ptr<ServerExchange> exchange) {
  net::spawn(run(core_.shared_from_this(), std::move(exchange)));
}

void ServerConnection::drain() {
  if (protocol_) {
    protocol_->drain();
  } else {
    retire();
  }
}

void ServerConnection::retire() {
  if (std::exchange(retired_, true)) return;
  timer_.cancel();
  if (transport_) transport_->close();
  core_.retire(*this);  // out of the table first: what follows may wake handlers
  if (protocol_) protocol_->on_lost();
}

void ServerConnection::close_after_flush() {
  timer_.cancel();
  transport_->close_after_flush(kLinger);
}

std::unique_ptr<net::Connection> ServerConnection::take_transport() {
  auto out = std::move(transport_);
  retire();
  return out;
}

void ServerConnection::on_ready(net::Connection& connection) {
  tls_ = std::make_shared<net::TlsPeer>(*connection.tls());
  if (tls_->alpn == "h2") start_http2();
}

void ServerConnection::on_data(net::Connection&) {
  heard_ = core_.loop.now();
  if (protocol_) {
    protocol_->on_data();
  } else {
    sniff();
  }
}

void ServerConnection::sniff() {
  const std::string_view bytes = transport_->input().view();
  const std::string_view head = bytes.substr(0, h2::kPreface.size());
  if (!h2::kPreface.starts_with(head)) {
    start_http1();
  } else if (head.size() == h2::kPreface.size()) {
    start_http2();
  }
}

void ServerConnection::start_http1() {
  protocol_ = std::make_unique<ServerHttp1>(*this);
  protocol_->on_data();
}

void ServerConnection::start_http2() {
  protocol_ = std::make_unique<ServerHttp2>(*this);
  if (!transport_->input().empty()) protocol_->on_data();
}

void ServerConnection::on_end(net::Connection&) {
  if (protocol_) {
    protocol_->on_end();
  } else {
    retire();
  }
}

void ServerConnection::on_drained(net::Connection&) {
  heard_ = core_.loop.now();
  if (protocol_) protocol_->on_drained();
}

void ServerConnection::on_closed(net::Connection& connection, const base::Error& error) {
  if (!protocol_ && error.kind != base::ErrorKind::Closed) {
    base::log::debug("http: connection from {}: {}", connection.remote().text(), base::printable(error.message));
  }
  retire();
}

ServerCore::ServerCore(net::Loop& l, Handler h, ServerOptions o)
    : loop(l),
      handler(std::move(h)),
      options(std::move(o)),
      bury_(
          l,
          [](void* self) {
            auto dead = std::move(static_cast<ServerCore*>(self)->graveyard_);
            dead.clear();
          },
          this) {}

void ServerCore::accept(int fd, const net::Address& peer) {
  if (connections.size() >= options.max_connections) {
    if (!options.replaces_quietest || connections.empty()) {
      ::close(fd);
      return;
    }
    std::ranges::min_element(connections, {}, [](const auto& one) { return one.first->heard(); })->first->retire();
  }
  auto made = std::make_unique<ServerConnection>(*this, loop);
  auto tls = options.tls_source ? options.tls_source() : options.tls;
  ServerConnection* connection = made.get();
  connections.emplace(connection, std::move(made));
  if (!connection->open(fd, peer, std::move(tls))) connection->retire();
}

void ServerCore::retire(ServerConnection& connection) {
  auto found = connections.find(&connection);
  if (found == connections.end()) return;
  graveyard_.push_back(std::move(found->second));
  connections.erase(found);
  bury_.schedule();
  if (connections.empty()) emptied.notify();
}

void ServerCore::stop() {
  listeners.clear();
  while (!connections.empty()) connections.begin()->first->retire();
}

struct Server::State : ServerCore {
  using ServerCore::ServerCore;
};

Server::Server(net::Loop& loop, Handler handler, ServerOptions options)
    : state_(std::make_shared<State>(loop, std::move(handler), std::move(options))) {}

// The server may end inside one of its own callbacks: what is on the stack
// stays until the turn is over.
Server::~Server() {
  state_->stop();
  net::Loop& loop = state_->loop;
  loop.post([state = std::move(state_)] {});
}

base::Result<net::Address> Server::listen(const net::Address& address) {
  auto listener = TRY(net::Listener::listen(
      state_->loop, address, [core = state_.get()](int fd, const net::Address& peer) { core->accept(fd, peer); }));
  state_->listeners.push_back(std::move(listener));
  return state_->listeners.back()->address();
}

base::Result<net::Address> Server::adopt(int listening_fd) {
  auto listener = TRY(net::Listener::adopt(
      state_->loop, listening_fd, [core = state_.get()](int fd, const net::Address& peer) { core->accept(fd, peer); }));
  state_->listeners.push_back(std::move(listener));
  return state_->listeners.back()->address();
}

static net::Task<void> drain_core(std::shared_ptr<ServerCore> core, std::chrono::milliseconds limit) {
  core->draining = true;
  core->listeners.clear();
  std::vector<ServerConnection*> open;
  for (auto& [connection, owned] : core->connections) open.push_back(connection);
  for (ServerConnection* connection : open) {
    if (!connection->retired()) connection->drain();
  }
  net::Timer timer(core->loop, [&core] { core->stop(); });
  timer.arm(limit);
  while (!core->connections.empty()) co_await core->emptied.wait();
}

net::Task<void> Server::drain(std::chrono::milliseconds limit) { return drain_core(state_, limit); }

}  // namespace http
