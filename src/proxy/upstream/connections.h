// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "http/h1.h"
#include "http/h2.h"
#include "net/connection.h"
#include "proxy/upstream/host.h"

namespace proxy {

class Pings;
struct Multiplexed;

// One of the connections that the process may have to a cluster; given back when it is destroyed.
class ConnectionPermit {
 public:
  ConnectionPermit() = default;
  ConnectionPermit(ClusterState& cluster, bool high) : cluster_(&cluster), high_(high) {}
  ConnectionPermit(ConnectionPermit&& other) noexcept
      : cluster_(std::exchange(other.cluster_, nullptr)), high_(other.high_) {}
  ConnectionPermit& operator=(ConnectionPermit&& other) noexcept {
    std::swap(cluster_, other.cluster_);
    std::swap(high_, other.high_);
    ConnectionPermit gone(std::move(other));
    return *this;
  }
  ~ConnectionPermit();
  explicit operator bool() const { return cluster_ != nullptr; }

 private:
  ClusterState* cluster_ = nullptr;
  bool high_ = false;
};

// A connection to a host that is being made: TCP, TLS, the peer's name; then
// the host decides by its protocol what becomes of it. Where the host has
// several addresses the next one is tried after a while, or when one fails, and
// the first to be ready wins (RFC 8305).
class Dial final : public Mortal, public Link<InPool>, private net::Connection::Handler {
 public:
  Dial(ConnectionPool& pool, ConnectionPermit permit);
  // Fails later, from the loop, never at once.
  void start();

  ConnectionPermit permit;

 private:
  void on_ready(net::Connection& connection) override;
  void on_data(net::Connection&) override {}
  void on_end(net::Connection& connection) override;
  void on_closed(net::Connection& connection, const base::Error& error) override;
  void begin_next();
  base::Result<void> begin(const net::Address& address);
  void lost(net::Connection& connection, const Failure& failure);
  void fail(const Failure& failure);

  ConnectionPool& pool_;
  Host& host_;  // its
  const std::shared_ptr<const Cluster> config_;
  const Transport& transport_;  // in config_
  std::string server_name_;
  std::vector<net::Address> addresses_;
  size_t next_ = 0;  // of addresses_
  std::vector<std::unique_ptr<net::Connection>> attempts_, lost_;
  net::Timer timer_;  // to the next address, or to tell of a failure that came at once
  std::string reason_;
  net::Clock::time_point began_{};
  bool failed_ = false;
};

// What the connections of every kind to `host` are opened with.
net::Connection::Target target_of(const Cluster& config, const net::Address& address);

// One HTTP/1.1 connection upstream; carries one request at a time.
class H1Upstream final : public Upstream, public Link<InPool>, private net::Connection::Handler {
 public:
  H1Upstream(ConnectionPool& pool, std::unique_ptr<net::Connection> connection, ConnectionPermit permit);
  ~H1Upstream() override;

  void attach(Stream& stream);
  void retire();  // takes no further request; closes now if it has none
  void close(std::string_view reason) { fail(Failure::Kind::Terminated, reason); }  // with what it carries
  bool retiring() const { return !reusable_; }
  bool unused() const { return served_ == 0; }  // carried nothing yet
  net::Clock::time_point idle_since() const { return idle_since_; }
  net::Clock::time_point began() const { return began_; }

  ConnectionPermit permit;

  void send_head(Stream& stream, const http::RequestHead& head, http::h1::Body body, bool end) override;
  size_t send_data(Stream& stream, std::string_view bytes, bool end) override;
  void send_trailers(Stream& stream, const http::Headers& trailers) override;
  void consumed(Stream& stream, size_t bytes) override;
  void reset(Stream& stream) override;
  bool is_http2() const override { return false; }
  bool takes_tunnel(const Stream&) const override { return true; }
  bool speaks_seine() const override { return false; }
  net::Connection& connection() override { return *connection_; }

 private:
  void on_data(net::Connection&) override;
  void on_end(net::Connection&) override;
  void on_closed(net::Connection&, const base::Error& error) override;
  void on_drained(net::Connection&) override;
  bool step();
  void count_head();
  void fail(Failure::Kind kind, std::string_view transport = {});
  void leave_pool();

  ConnectionPool& pool_;
  Host& host_;  // its
  std::unique_ptr<net::Connection> connection_;
  http::h1::ResponseParser parser_;
  Stream* stream_ = nullptr;
  net::Clock::time_point idle_since_{};
  const net::Clock::time_point began_;
  uint64_t body_left_ = 0;
  size_t unconsumed_ = 0;
  uint32_t served_ = 0;
  bool chunked_ = false;
  bool tunnel_ = false;  // what comes is not HTTP any more
  bool request_done_ = true;
  bool response_done_ = true;
  bool reusable_ = true;
  bool gone_ = false;
};

// One HTTP/2 connection upstream; carries many.
class H2Upstream final : public Upstream,
                         public Link<InPool>,
                         private net::Connection::Handler,
                         private http::h2::Sink {
 public:
  H2Upstream(ConnectionPool& pool, std::unique_ptr<net::Connection> connection, bool seine, ConnectionPermit permit);
  ~H2Upstream() override;

  bool can_take() const {
    return !gone_ && !retiring_ && session_.can_open() && streams_ < limit_ && !session_.backed_up();
  }
  void attach(Stream& stream);
  void retire();
  void close(std::string_view reason) { lost(reason); }  // with what it carries
  bool retiring() const { return retiring_; }
  bool idle() const { return streams_ == 0; }
  net::Clock::time_point idle_since() const { return idle_since_; }
  net::Clock::time_point began() const { return began_; }

  ConnectionPermit permit;

  void send_head(Stream& stream, const http::RequestHead& head, http::h1::Body body, bool end) override;
  size_t send_data(Stream& stream, std::string_view bytes, bool end) override;
  void send_trailers(Stream& stream, const http::Headers& trailers) override;
  void consumed(Stream& stream, size_t bytes) override;
  void reset(Stream& stream) override;
  bool is_http2() const override { return true; }
  bool takes_tunnel(const Stream& stream) const override;
  bool knows_settings() const { return session_.settings_received(); }
  bool speaks_seine() const override { return seine_; }
  net::Connection& connection() override { return *connection_; }

 private:
  void on_data(net::Connection&) override;
  void on_end(net::Connection&) override { lost("connection closed"); }
  void on_closed(net::Connection& connection, const base::Error& error) override;
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
  void on_ping_ack(uint64_t payload) override;

  List<Stream, Multiplexed> attached_;  // also those whose response is whole, which the session has forgotten
  ConnectionPool& pool_;
  Host& host_;  // its
  const std::shared_ptr<const Cluster> config_;
  std::unique_ptr<net::Connection> connection_;
  http::h2::Session session_;
  const bool seine_;
  std::string alert_;  // what TLS ended it with
  uint32_t streams_ = 0;
  uint32_t limit_ = 100;
  uint32_t served_ = 0;
  net::Clock::time_point idle_since_{};
  const net::Clock::time_point began_;
  std::unique_ptr<Pings> pings_;  // where they are wanted
  bool went_away_ = false;        // it said GOAWAY
  bool broken_ = false;           // it broke the protocol
  bool retiring_ = false;
  bool gone_ = false;
  bool lost_ = false;
};

}  // namespace proxy
