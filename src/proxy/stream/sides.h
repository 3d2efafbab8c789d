// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "http/h1.h"
#include "http/message.h"
#include "net/connection.h"

namespace proxy {

class Stream;

// Bytes of a connection.
struct Carried {
  uint64_t received = 0, sent = 0;
};

// Something whose end may come while its own code is on the stack: it is handed
// to Worker::bury and deleted at the end of the turn.
class Mortal {
 public:
  virtual ~Mortal() = default;
};

// The downstream connection, as the streams on it see it.
class Downstream {
 public:
  // `body` tells how the end will be known, for protocols that say so ahead.
  virtual void send_head(Stream& stream, const http::ResponseHead& head, http::h1::Body body, bool end) = 0;
  virtual void send_interim(Stream& stream, const http::ResponseHead& head) = 0;  // 1xx
  // Takes as much as it can; after less than all, Stream::on_downstream_writable comes.
  virtual size_t send_data(Stream& stream, std::string_view bytes, bool end) = 0;
  virtual void send_trailers(Stream& stream, const http::Headers& trailers) = 0;  // ends the response
  // The response cannot be completed.
  virtual void abort(Stream& stream) = 0;
  // So many bytes of the request's body went on: more may come.
  virtual void consumed(Stream& stream, size_t bytes) = 0;
  // The stream is done with and will not be touched again.
  virtual void released(Stream& stream) = 0;

 protected:
  ~Downstream() = default;
};

// What ended a try upstream before its response was complete.
struct Failure {
  enum class Kind : uint8_t {
    Connect,
    ConnectTimeout,
    Terminated,
    RemoteReset,
    RefusedStream,
    Protocol,
    Overflow,
  };
  Kind kind = Kind::Connect;
  std::string_view transport;  // of the connection, e.g. "delayed connect error: Connection refused"; for the call only
  bool reused = false;         // the connection had served before: its end may have crossed the request
  bool unprocessed = false;    // the peer said so, as it went away
};

// The upstream connection, as the streams on it see it.
class Upstream : public Mortal {
 public:
  virtual void send_head(Stream& stream, const http::RequestHead& head, http::h1::Body body, bool end) = 0;
  virtual size_t send_data(Stream& stream, std::string_view bytes, bool end) = 0;
  virtual void send_trailers(Stream& stream, const http::Headers& trailers) = 0;
  virtual void consumed(Stream& stream, size_t bytes) = 0;  // of the response's body
  // The stream wants no more; nothing is told to it any more.
  virtual void reset(Stream& stream) = 0;
  virtual bool is_http2() const = 0;
  virtual bool takes_tunnel(const Stream& stream) const = 0;  // of the stream's kind
  virtual bool speaks_seine() const = 0;                      // the peer is another Seine proxy
  virtual net::Connection& connection() = 0;

  Carried counted;  // of what the connection carried, by its cluster
};

}  // namespace proxy
