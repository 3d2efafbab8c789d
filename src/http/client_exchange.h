// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "http/client.h"

namespace http {

// One request and its response as a client's connection sees them: what came
// and was not read, and who waits for what. The caller's ClientStream owns it;
// the connection points at it while it is on its way.
class ClientExchange : public std::enable_shared_from_this<ClientExchange> {
 public:
  static constexpr size_t kBodyLimit = 64 * 1024;  // of body that came and was not read

  virtual ~ClientExchange() = default;

  net::Task<base::Result<void>> write(std::string bytes);
  net::Task<base::Result<ResponseHead>> response();
  net::Task<base::Result<std::optional<std::string>>> read();
  virtual void finish() = 0;
  virtual base::Result<std::unique_ptr<net::ByteStream>> upgraded() = 0;
  // Takes it off its connection; who waits gets `error`.
  void end(base::Error error);
  const Headers& trailers() const { return trailers_; }
  bool has_head() const { return head_.has_value() || head_taken_; }

  // For the connection.
  size_t unread() const { return body_.size(); }
  void set_head(ResponseHead head);
  void add_body(std::string_view bytes);
  void set_complete(Headers trailers = {});
  void set_error(base::Error error);
  void writable() { notify(drained_); }
  bool complete() const { return complete_; }

 protected:
  virtual void body_taken(size_t) = 0;
  // As much as fits now; the rest is offered again when writable. More than the
  // request has room for is an error.
  virtual base::Result<size_t> send(std::string_view bytes) = 0;
  virtual void leave() = 0;  // reset the stream, or close the connection, unless it is done with

 private:
  void notify(net::Signal& signal);

  std::optional<ResponseHead> head_;
  bool head_taken_ = false;
  bool complete_ = false;
  std::string body_;
  Headers trailers_;
  std::optional<base::Error> error_;
  net::Signal head_came_, readable_, drained_;
};

// A GET or HEAD without Content-Length has no body.
bool has_body(const RequestHead& head);

}  // namespace http
