// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "http/client_core.h"
#include "http/h2.h"

namespace http {

class Http2ClientExchange;

// HTTP/2 to the origin: all exchanges share it.
class ClientHttp2 final : public ClientConnection, public h2::Sink {
 public:
  ClientHttp2(ClientCore& core, net::Loop& loop);

  bool can_open() const { return session_ && session_->can_open(); }
  bool draining() const { return !session_ || session_->draining(); }
  bool served() const { return served_; }
  std::shared_ptr<ClientExchange> begin(const RequestHead& head);

  // For the exchange. After each call on the session, touch().
  h2::Session& session() { return *session_; }
  void touch();

 private:
  base::Result<void> started() override;
  void on_data(net::Connection&) override;
  void on_end(net::Connection&) override;
  void on_drained(net::Connection&) override;
  void on_lost(const base::Error& error) override;

  void on_request(h2::Stream&, RequestHead&, bool) override {}
  void on_response(h2::Stream& stream, ResponseHead& head, bool end) override;
  void on_data(h2::Stream& stream, std::string_view bytes, bool end) override;
  void on_trailers(h2::Stream& stream, Headers& trailers) override;
  void on_reset(h2::Stream& stream, h2::ErrorCode code) override;
  void on_writable(h2::Stream& stream) override;
  void on_goaway(h2::StreamId last, h2::ErrorCode code) override;
  void on_settings() override;
  void complete(h2::Stream& stream, Headers trailers);

  std::unique_ptr<h2::Session> session_;
  bool served_ = false;
  std::optional<base::Error> why_;  // the connection ends
};

}  // namespace http
