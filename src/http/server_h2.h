// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "http/h2.h"
#include "http/server_core.h"

namespace http {

class Http2Exchange;

// HTTP/2 on a server's connection: each stream is an exchange.
class ServerHttp2 final : public ServerProtocol, public h2::Sink {
 public:
  explicit ServerHttp2(ServerConnection& connection);

  void on_data() override;
  void on_end() override { connection_.retire(); }
  void on_drained() override;
  void on_timeout() override;
  void on_lost() override;
  void drain() override;

  // For the exchange. After each call on the session, touch().
  h2::Session& session() { return session_; }
  void touch();
  void stalled();  // a response waits for the peer's window, or for the socket
  void let_go(h2::StreamId id);

 private:
  void on_request(h2::Stream& stream, RequestHead& head, bool end) override;
  void on_response(h2::Stream&, ResponseHead&, bool) override {}
  void on_data(h2::Stream& stream, std::string_view bytes, bool end) override;
  void on_trailers(h2::Stream& stream, Headers& trailers) override;
  void on_reset(h2::Stream& stream, h2::ErrorCode code) override;
  void on_writable(h2::Stream& stream) override;
  void on_goaway(h2::StreamId, h2::ErrorCode) override {}

  ServerConnection& connection_;
  h2::Session session_;
  bool greeted_ = false;  // the peer's preface and settings came
  bool closing_ = false;
  bool stalled_ = false;  // and only progress stops that clock, no chatter
};

}  // namespace http
