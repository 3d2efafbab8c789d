// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "http/h1.h"
#include "http/server_core.h"

namespace http {

class Http1Exchange;

// HTTP/1.1 on a server's connection: one exchange at a time, in order. Requests
// that a client pipelines wait unparsed in the connection's input.
class ServerHttp1 final : public ServerProtocol {
 public:
  explicit ServerHttp1(ServerConnection& connection);
  ~ServerHttp1() override;

  void on_data() override { pump(); }
  void on_end() override;
  void on_drained() override;
  void on_timeout() override;
  void on_lost() override;
  void drain() override;

  // For the exchange.
  net::Connection& transport() { return connection_.transport(); }
  h1::RequestParser& parser() { return parser_; }
  bool head_request() const { return head_request_; }
  bool may_keep_alive() const;
  void body_wanted();
  void body_taken();
  void write_stalled();
  void send_continue();
  void response_done(bool keep_alive);  // lets go of the exchange
  void exchange_dropped();              // nobody holds it and there is no whole response
  void abort() { connection_.retire(); }
  std::unique_ptr<net::Connection> take_transport();

 private:
  void pump();
  void begin_exchange();
  void start_handler();
  void refuse(int status, std::string_view why);
  void wait_for_head();
  bool discards() const { return !exchange_ && in_request_; }

  ServerConnection& connection_;
  h1::RequestParser parser_;
  Http1Exchange* exchange_ = nullptr;              // handlers own it
  std::shared_ptr<Http1Exchange> about_to_start_;  // until its handler is started
  bool in_request_ = false;                        // between the parser's Head and Complete
  bool head_request_ = false;
  bool closing_ = false;
  bool ended_ = false;  // the client sends no more
  bool pumping_ = false;
  bool expects_continue_ = false;
  bool head_begun_ = false;
  bool held_ = false;  // what the client sends, until it has taken what waits for it
  size_t discarded_ = 0;
};

}  // namespace http
