// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "http/server.h"

namespace http {

// What the exchanges of both versions have in common: the request's body, as
// far as it came and was not read, and who waits for what. The protocol's
// connection points at it while the exchange is on its way; handlers own it.
class ServerExchange : public Exchange, public std::enable_shared_from_this<ServerExchange> {
 public:
  // Of body that came and was not read. The protocol stops taking more there.
  static constexpr size_t kBodyLimit = 64 * 1024;

  struct Peers {
    net::Address remote, local;
    std::shared_ptr<const net::TlsPeer> tls;
  };
  explicit ServerExchange(Peers peers) : peers_(std::move(peers)) {}

  net::Address remote() const override { return peers_.remote; }
  net::Address local() const override { return peers_.local; }
  const net::TlsPeer* tls() const override { return peers_.tls.get(); }

  net::Task<base::Result<std::optional<std::string>>> read() override;
  net::Task<base::Result<void>> write(std::string bytes) override;
  bool closed() const override { return closed_; }
  void on_closed(std::move_only_function<void()> call) override;

  // For the protocol.
  RequestHead& head() { return request_; }
  size_t unread() const { return body_.size(); }
  bool request_complete() const { return request_complete_; }
  bool started() const { return started_; }
  void add_body(std::string_view bytes, bool end);
  void peer_ended();  // tells who asked; reading and writing go on
  void peer_gone();   // and nothing more can be read or written
  void writable() { keep_and_notify(drained_); }
  void handler_ended();  // 500 if there is no response yet

 protected:
  virtual void body_wanted() {}               // somebody waits for more of it
  virtual void body_taken(size_t) {}          // so much was read
  virtual size_t send(std::string_view) = 0;  // as much as fits now; the rest is offered again when writable
  virtual bool attached() const = 0;          // the connection is there and the response not finished

  bool started_ = false;
  bool finished_ = false;

 private:
  void keep_and_notify(net::Signal& signal);

  Peers peers_;
  std::string body_;
  bool request_complete_ = false;
  bool closed_ = false;
  bool broken_ = false;
  net::Signal readable_, drained_;
  std::move_only_function<void()> on_closed_;
};

// The text of "now" for a Date field (RFC 9110 section 5.6.7), made once a second.
std::string_view date_text();

// Statuses whose responses have no body, whatever the handler says.
inline bool has_no_body(int status) { return status < 200 || status == 204 || status == 304; }

}  // namespace http
