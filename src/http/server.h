// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "http/message.h"
#include "net/byte_stream.h"
#include "net/loop.h"

namespace http {

// One request and its response on a server connection, HTTP/1.1 or HTTP/2.
// Lives as long as someone holds it; once the peer is gone reads and writes end
// with ErrorKind::Closed. If its handler ends without a response, 500 is sent.
class Exchange {
 public:
  virtual ~Exchange() = default;

  const RequestHead& request() const { return request_; }
  virtual net::Address remote() const = 0;
  virtual net::Address local() const = 0;
  virtual const net::TlsPeer* tls() const = 0;  // nullptr: not over TLS
  virtual bool is_http2() const = 0;

  // The next piece of the request's body, nullopt at its end.
  virtual net::Task<base::Result<std::optional<std::string>>> read() = 0;
  // The rest of the body; more than `limit` bytes is ErrorKind::Exhausted.
  net::Task<base::Result<std::string>> read_all(size_t limit);

  // A whole response. Content-Length, Date and framing are added.
  virtual void respond(Response response) = 0;
  void respond(int status, std::string body, std::string_view content_type = "text/plain; charset=utf-8");

  // A streamed response: start, write..., finish. A body of unknown length is
  // chunked (HTTP/1.1). write() is done once the peer's window and the buffer
  // allow more: awaiting it is the back-pressure.
  virtual void start(ResponseHead head) = 0;
  virtual net::Task<base::Result<void>> write(std::string bytes) = 0;
  virtual void finish(Headers trailers = {}) = 0;
  virtual void abort() = 0;  // resets the stream, or closes an HTTP/1 connection

  // True once the peer has gone, or reset the stream.
  virtual bool closed() const = 0;
  // Called once when that happens, on the loop; at once if it has happened.
  virtual void on_closed(std::move_only_function<void()> call) = 0;

  // HTTP/1.1 only: answers 101 with these headers and hands the connection over.
  virtual base::Result<std::unique_ptr<net::ByteStream>> upgrade(Headers headers) = 0;

 protected:
  RequestHead request_;
};

using Handler = std::function<net::Task<void>(std::shared_ptr<Exchange>)>;

struct ServerOptions {
  std::shared_ptr<const net::TlsContext> tls;  // none: clear text, HTTP/1.1 and HTTP/2 with prior knowledge
  // Called at each new connection; lets certificates rotate. Overrides `tls`.
  std::function<std::shared_ptr<const net::TlsContext>()> tls_source;
  size_t max_connections = 10'000;
  bool replaces_quietest = false;  // past that, the connection that said nothing for longest goes for a new one
  std::chrono::milliseconds header_timeout{10'000};
  std::chrono::milliseconds idle_timeout{300'000};
};

// Serves HTTP on one loop. reference: RFC 9110, 9112, 9113.
class Server {
 public:
  Server(net::Loop& loop, Handler handler, ServerOptions options = {});
  ~Server();  // closes all connections
  Server(const Server&) = delete;

  // May be called several times; port 0 picks one, which is returned.
  base::Result<net::Address> listen(const net::Address& address);
  // A socket that listens already (passed from another process); owned from here.
  base::Result<net::Address> adopt(int listening_fd);
  // Stops accepting, asks peers to go (GOAWAY, Connection: close), and is done once they did or time is up.
  net::Task<void> drain(std::chrono::milliseconds limit);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace http
