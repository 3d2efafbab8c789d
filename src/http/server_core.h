// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "http/server.h"
#include "http/server_exchange.h"
#include "net/connection.h"
#include "net/listener.h"

namespace http {

class ServerCore;

// One version of HTTP on one connection of the server.
class ServerProtocol {
 public:
  virtual ~ServerProtocol() = default;
  virtual void on_data() = 0;
  virtual void on_end() = 0;
  virtual void on_drained() = 0;
  virtual void on_timeout() = 0;
  virtual void on_lost() = 0;  // the transport is gone: let go of the exchanges
  virtual void drain() = 0;
};

// A connection of the server: finds out its protocol and then passes on to it.
// Once retired it is dead but stays in memory to the end of the turn, so that
// code further up the stack can see that.
class ServerConnection final : public net::Connection::Handler {
 public:
  ServerConnection(ServerCore& core, net::Loop& loop);
  base::Result<void> open(int fd, const net::Address& peer, std::shared_ptr<const net::TlsContext> tls);

  ServerCore& core() { return core_; }
  net::Connection& transport() { return *transport_; }
  bool retired() const { return retired_; }
  net::Clock::time_point heard() const { return heard_; }  // when bytes last came, or all that was to be sent had gone
  void arm(net::Clock::duration delay) { timer_.arm(delay); }
  void disarm() { timer_.cancel(); }
  ServerExchange::Peers peers();
  // Starts the handler for the exchange.
  void serve(std::shared_ptr<ServerExchange> exchange);

  void drain();
  void retire();             // closes at once
  void close_after_flush();  // sends what is pending first
  std::unique_ptr<net::Connection> take_transport();

 private:
  void on_ready(net::Connection&) override;
  void on_data(net::Connection&) override;
  void on_end(net::Connection&) override;
  void on_drained(net::Connection&) override;
  void on_closed(net::Connection&, const base::Error&) override;
  void sniff();
  void start_http1();
  void start_http2();

  ServerCore& core_;
  std::unique_ptr<net::Connection> transport_;
  std::unique_ptr<ServerProtocol> protocol_;
  std::shared_ptr<const net::TlsPeer> tls_;
  net::Timer timer_;
  net::Clock::time_point heard_;
  bool retired_ = false;
};

// The server behind http::Server; kept alive by handlers that still run.
class ServerCore : public std::enable_shared_from_this<ServerCore> {
 public:
  ServerCore(net::Loop& loop, Handler handler, ServerOptions options);

  void accept(int fd, const net::Address& peer);
  void stop();  // closes everything
  void retire(ServerConnection& connection);

  net::Loop& loop;
  const Handler handler;
  const ServerOptions options;
  std::vector<std::unique_ptr<net::Listener>> listeners;
  std::unordered_map<ServerConnection*, std::unique_ptr<ServerConnection>> connections;
  bool draining = false;
  net::Signal emptied;  // the last connection went

 private:
  std::vector<std::unique_ptr<ServerConnection>> graveyard_;
  net::Deferred bury_;
};

}  // namespace http
