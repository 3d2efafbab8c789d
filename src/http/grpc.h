// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/client.h"
#include "http/server.h"

namespace http::grpc {

// gRPC over HTTP/2: length-prefixed messages and trailers, as in gRPC's
// PROTOCOL-HTTP2.md. Messages are serialized protobuf; compression is not offered.

enum class Code {
  Ok = 0,
  Cancelled,
  Unknown,
  InvalidArgument,
  DeadlineExceeded,
  NotFound,
  AlreadyExists,
  PermissionDenied,
  ResourceExhausted,
  FailedPrecondition,
  Aborted,
  OutOfRange,
  Unimplemented,
  Internal,
  Unavailable,
  DataLoss,
  Unauthenticated,
};
struct Status {
  Code code = Code::Ok;
  std::string message;
};

inline constexpr size_t kMaxMessage = 64u << 20;

// A message with its prefix: a flag for compression (0: none) and its size, five bytes.
std::string framed(std::string_view message);
// Takes the next message off the buffer's front; nullopt if it is not all there. At most `most` bytes of it.
base::Result<std::optional<std::string>> take_message(std::string& buffer, size_t most);
// grpc-message: percent-encoded where it is not printable ASCII, or "%". A wrong escape is shown as it came: an
// error's text must not get lost.
std::string encode_message(std::string_view text);
std::string decode_message(std::string_view text);

// The server's end of one call, over an Exchange.
class ServerCall {
 public:
  explicit ServerCall(std::shared_ptr<Exchange> exchange, size_t max_message = 4u << 20);
  static bool is_grpc(const RequestHead& request);  // POST with content-type application/grpc[+proto]

  std::string_view path() const { return exchange_->request().path; }  // "/package.Service/Method"
  const Headers& metadata() const { return exchange_->request().headers; }
  Exchange& exchange() const { return *exchange_; }

  net::Task<base::Result<std::optional<std::string>>> read();  // next message, nullopt at the client's end
  net::Task<base::Result<void>> write(std::string message);
  void finish(Status status = {});

 private:
  std::shared_ptr<Exchange> exchange_;
  std::string buffer_;
  size_t max_message_;
  bool started_ = false;
};

// The client's end of one call.
class ClientCall {
 public:
  explicit ClientCall(std::unique_ptr<ClientStream> stream) : stream_(std::move(stream)) {}

  net::Task<base::Result<void>> write(std::string message);
  void finish_writing() { stream_->finish(); }
  // The next message; nullopt when the server ended the call: see status().
  // A transport failure or a response that is not gRPC is an Error.
  net::Task<base::Result<std::optional<std::string>>> read();
  const Status& status() const { return status_; }

 private:
  std::unique_ptr<ClientStream> stream_;
  std::string buffer_;
  bool started_ = false;
  bool ended_ = false;
  Status status_;
};

// Opens a call: `path` is "/package.Service/Method"; `metadata` e.g. authorization.
net::Task<base::Result<std::unique_ptr<ClientCall>>> open(Client& client, std::string path, Headers metadata = {});
// One message there, one back. A status other than OK is an Error with its code's name and message.
net::Task<base::Result<std::string>> call(Client& client, std::string path, std::string message, Headers metadata = {});

}  // namespace http::grpc
