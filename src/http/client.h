// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "http/message.h"
#include "net/byte_stream.h"
#include "net/loop.h"

namespace http {

// A request on its way: send the body, then read the response. Destroying it
// resets the stream.
class ClientStream {
 public:
  virtual ~ClientStream() = default;
  virtual net::Task<base::Result<void>> write(std::string bytes) = 0;      // waits for the peer's window
  virtual void finish() = 0;                                               // end of the request's body
  virtual net::Task<base::Result<ResponseHead>> response() = 0;            // once; interim 1xx are skipped
  virtual net::Task<base::Result<std::optional<std::string>>> read() = 0;  // body pieces, nullopt at the end
  virtual const Headers& trailers() const = 0;                             // after read() gave nullopt
  virtual void reset() = 0;
  // After a response 101: the raw connection.
  virtual base::Result<std::unique_ptr<net::ByteStream>> upgraded() = 0;
};

enum class Version { Http1, Http2 };  // Http2 over TLS needs ALPN h2, in clear text prior knowledge

struct ClientOptions {
  std::string host;  // name or literal address, or "unix:/path"
  uint16_t port = 80;
  std::shared_ptr<const net::TlsContext> tls;
  std::string server_name;  // for TLS; empty: host
  Version version = Version::Http1;
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds timeout{30'000};  // of fetch(); open() has none
  size_t largest = 64u << 20;                 // bytes of a body that fetch() takes
  bool keeps_body = true;                     // else fetch() reads it to its end and drops it
};

// Talks to one origin. Keeps idle HTTP/1 connections, or one HTTP/2 connection,
// and connects again when they are gone. Lives on one loop.
class Client {
 public:
  Client(net::Loop& loop, ClientOptions options);
  ~Client();
  Client(const Client&) = delete;

  // A whole request and its whole response (at most `largest`). Scheme and
  // authority are filled in where empty. Retried once if a kept connection was
  // closed before anything of the response came and the method is safe.
  net::Task<base::Result<Response>> fetch(Request request);

  // A streamed exchange. Content-Length is the caller's, else chunked.
  net::Task<base::Result<std::unique_ptr<ClientStream>>> open(RequestHead head);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace http
