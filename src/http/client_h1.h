// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "http/client_core.h"
#include "http/h1.h"

namespace http {

class Http1ClientExchange;

// HTTP/1.1 to the origin: one exchange at a time.
class ClientHttp1 final : public ClientConnection {
 public:
  ClientHttp1(ClientCore& core, net::Loop& loop);

  std::shared_ptr<ClientExchange> begin(const RequestHead& head);
  bool served() const { return served_; }

  // For the exchange.
  void request_done();
  void body_taken() { transport_->resume_reading(); }
  std::unique_ptr<net::Connection> take_transport();

 private:
  base::Result<void> started() override { return {}; }
  void on_data(net::Connection&) override;
  void on_end(net::Connection&) override;
  void on_drained(net::Connection&) override;
  void on_lost(const base::Error& error) override;
  bool step();
  void response_done();
  void release();

  h1::ResponseParser parser_;
  Http1ClientExchange* exchange_ = nullptr;
  bool request_done_ = false;
  bool response_done_ = false;
  bool served_ = false;
  net::Timer idle_;
};

}  // namespace http
