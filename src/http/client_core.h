// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "http/client.h"
#include "http/client_exchange.h"
#include "net/connection.h"

namespace http {

class ClientCore;

// One connection to the origin. Once retired it is dead but stays in memory to
// the end of the turn, so that code further up the stack can see that.
class ClientConnection : public net::Connection::Handler {
 public:
  ClientConnection(ClientCore& core, net::Loop& loop);
  virtual ~ClientConnection() = default;

  // Done when connected and, with TLS, the handshake is done.
  net::Task<base::Result<void>> connect(net::Address address);
  net::Connection& transport() { return *transport_; }
  bool retired() const { return retired_; }
  void retire(base::Error error);

  void on_ready(net::Connection&) final;
  void on_closed(net::Connection&, const base::Error& error) final { retire(error); }

 protected:
  virtual base::Result<void> started() = 0;            // the transport is ready
  virtual void on_lost(const base::Error& error) = 0;  // let go of the exchanges

  ClientCore& core_;
  std::unique_ptr<net::Connection> transport_;

 private:
  net::Oneshot<base::Result<void>> ready_;
  bool retired_ = false;
};

class ClientHttp1;
class ClientHttp2;

// The client behind http::Client; kept alive by calls that are on their way.
class ClientCore : public std::enable_shared_from_this<ClientCore> {
 public:
  ClientCore(net::Loop& loop, ClientOptions options);

  struct Opened {
    std::shared_ptr<ClientExchange> exchange;
    bool reused = false;  // the connection had served before, so its peer may have closed it meanwhile
  };
  net::Task<base::Result<Opened>> open(RequestHead head, bool fresh);
  void stop();

  // For the connections.
  void retire(ClientConnection& connection);
  void idle(ClientHttp1& connection);
  void not_idle(ClientHttp1& connection);
  void no_new_streams(ClientHttp2& connection);
  void streams_changed();  // one may be opened now, or the connection has gone

  const std::shared_ptr<const net::TlsContext>& tls() const { return *tls_; }

  net::Loop& loop;
  const ClientOptions options;

 private:
  net::Task<base::Result<ClientConnection*>> connect();
  net::Task<base::Result<Opened>> open_http1(RequestHead head, bool fresh);
  net::Task<base::Result<Opened>> open_http2(RequestHead head, bool fresh);

  static void bury(void* self);

  const base::Result<std::shared_ptr<const net::TlsContext>> tls_;  // with the ALPN of options.version
  std::unordered_map<ClientConnection*, std::unique_ptr<ClientConnection>> connections_;
  std::vector<ClientHttp1*> idle_;  // the last one used at the back
  ClientHttp2* http2_ = nullptr;    // takes new streams
  bool connecting_http2_ = false;
  bool stopped_ = false;
  std::vector<net::Oneshot<bool>> waiting_;  // for a stream, or the HTTP/2 connection
  std::vector<std::unique_ptr<ClientConnection>> graveyard_;
  net::Deferred bury_;
};

}  // namespace http
