// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <unordered_map>

#include "http/h1.h"
#include "http/h2.h"
#include "net/connection.h"
#include "proxy/upstream/host.h"

namespace proxy {

// A connection to a host that is being made: TCP, TLS, the peer's name; then
// the host decides by its protocol what becomes of it.
class Dial final : public Mortal, public Link<InHost>, private net::Connection::Handler {
 public:
  Dial(Host& host, bool http2, bool exclusive) : host_(host), wanted_http2_(http2), exclusive_(exclusive) {}
  // Fails later, from the loop, never at once.
  void start(const std::string& server_name);
  bool wanted_http2() const { return wanted_http2_; }

 private:
  void on_ready(net::Connection&) override;
  void on_data(net::Connection&) override {}
  void on_end(net::Connection&) override;
  void on_closed(net::Connection&, const base::Error& error) override;
  void fail(const Failure& failure);

  Host& host_;
  const bool wanted_http2_;
  const bool exclusive_;  // for a request that cannot be multiplexed
  std::unique_ptr<net::Connection> connection_;
  std::unique_ptr<net::Timer> soon_;  // a connect that failed at once
  std::string reason_;
};

// One HTTP/1.1 connection upstream; carries one request at a time.
class H1Upstream final : public Upstream, public Link<InHost>, private net::Connection::Handler {
 public:
  H1Upstream(Host& host, std::unique_ptr<net::Connection> connection);
  ~H1Upstream() override;

  void attach(Stream& stream);
  void retire();  // takes no further request; closes now if it has none
  net::Clock::time_point idle_since() const { return idle_since_; }

  void send_head(Stream& stream, const http::RequestHead& head, http::h1::Body body, bool end) override;
  size_t send_data(Stream& stream, std::string_view bytes, bool end) override;
  void send_trailers(Stream& stream, const http::Headers& trailers) override;
  void consumed(Stream& stream, size_t bytes) override;
  void reset(Stream& stream) override;
  std::unique_ptr<net::Connection> take_connection(Stream& stream) override;
  bool is_http2() const override { return false; }
  bool speaks_seine() const override { return false; }
  net::Connection& connection() override { return *connection_; }

 private:
  void on_data(net::Connection&) override;
  void on_end(net::Connection&) override;
  void on_closed(net::Connection&, const base::Error& error) override;
  void on_drained(net::Connection&) override;
  bool step();
  void fail(Failure::Kind kind, std::string_view transport = {});
  void leave_host();

  Host& host_;
  std::unique_ptr<net::Connection> connection_;
  http::h1::ResponseParser parser_;
  Stream* stream_ = nullptr;
  net::Clock::time_point idle_since_{};
  uint64_t body_left_ = 0;
  size_t unconsumed_ = 0;
  uint32_t served_ = 0;
  bool chunked_ = false;
  bool request_done_ = true;
  bool response_done_ = true;
  bool reusable_ = true;
  bool gone_ = false;
};

// One HTTP/2 connection upstream; carries many.
class H2Upstream final : public Upstream, public Link<InHost>, private net::Connection::Handler, private http::h2::Sink {
 public:
  H2Upstream(Host& host, std::unique_ptr<net::Connection> connection, bool seine);
  ~H2Upstream() override;

  bool can_take() const { return !gone_ && !retiring_ && session_.can_open() && streams_ < limit_; }
  void attach(Stream& stream);
  void retire();
  bool idle() const { return streams_ == 0; }
  net::Clock::time_point idle_since() const { return idle_since_; }

  void send_head(Stream& stream, const http::RequestHead& head, http::h1::Body body, bool end) override;
  size_t send_data(Stream& stream, std::string_view bytes, bool end) override;
  void send_trailers(Stream& stream, const http::Headers& trailers) override;
  void consumed(Stream& stream, size_t bytes) override;
  void reset(Stream& stream) override;
  std::unique_ptr<net::Connection> take_connection(Stream&) override { return nullptr; }
  bool is_http2() const override { return true; }
  bool speaks_seine() const override { return seine_; }
  net::Connection& connection() override { return *connection_; }

 private:
  void on_data(net::Connection&) override;
  void on_end(net::Connection&) override { lost("connection closed"); }
  void on_closed(net::Connection&, const base::Error& error) override { lost(error.message); }
  void on_drained(net::Connection&) override;
  void flush();
  void lost(std::string_view reason);
  void detach(Stream& stream);

  void on_request(http::h2::Stream&, http::RequestHead&, bool) override {}
  void on_response(http::h2::Stream& at, http::ResponseHead& head, bool end) override;
  void on_data(http::h2::Stream& at, std::string_view bytes, bool end) override;
  void on_trailers(http::h2::Stream& at, http::Headers& trailers) override;
  void on_reset(http::h2::Stream& at, http::h2::ErrorCode code) override;
  void on_writable(http::h2::Stream& at) override;
  void on_goaway(http::h2::StreamId last, http::h2::ErrorCode code) override;
  void on_settings() override;

  Host& host_;
  std::unique_ptr<net::Connection> connection_;
  http::h2::Session session_;
  const bool seine_;
  uint32_t streams_ = 0;
  uint32_t limit_ = 100;
  uint32_t served_ = 0;
  net::Clock::time_point idle_since_{};
  bool retiring_ = false;
  bool gone_ = false;
  bool lost_ = false;
};

}  // namespace proxy
