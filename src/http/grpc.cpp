// SPDX-License-Identifier: Apache-2.0
#include "http/grpc.h"

#include "base/strings.h"

namespace http::grpc {
namespace {

using base::ErrorKind;

constexpr size_t kPrefix = 5;  // a flag for compression, then the size, four bytes
constexpr int kLastCode = static_cast<int>(Code::Unauthenticated);

std::string_view name(Code code) {
  static constexpr std::string_view kNames[] = {
      "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
      "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
      "DATA_LOSS", "UNAUTHENTICATED"};
  return kNames[static_cast<size_t>(code)];
}

ErrorKind kind_of(Code code) {
  switch (code) {
    case Code::InvalidArgument:
    case Code::FailedPrecondition:
    case Code::OutOfRange:
    case Code::Unimplemented:
      return ErrorKind::Invalid;
    case Code::NotFound:
      return ErrorKind::NotFound;
    case Code::AlreadyExists:
    case Code::Aborted:
      return ErrorKind::Conflict;
    case Code::PermissionDenied:
    case Code::Unauthenticated:
      return ErrorKind::Denied;
    case Code::Unavailable:
      return ErrorKind::Unavailable;
    case Code::DeadlineExceeded:
      return ErrorKind::Timeout;
    case Code::Cancelled:
      return ErrorKind::Closed;
    case Code::ResourceExhausted:
      return ErrorKind::Exhausted;
    default:
      return ErrorKind::Internal;
  }
}

// gRPC's own mapping, for responses that a proxy in between made.
Code code_of_http(int status) {
  switch (status) {
    case 400:
      return Code::Internal;
    case 401:
      return Code::Unauthenticated;
    case 403:
      return Code::PermissionDenied;
    case 404:
      return Code::Unimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return Code::Unavailable;
    default:
      return Code::Unknown;
  }
}

bool is_grpc_type(std::optional<std::string_view> type) {
  constexpr std::string_view kType = "application/grpc";
  if (!type || !type->starts_with(kType)) return false;
  return type->size() == kType.size() || (*type)[kType.size()] == '+' || (*type)[kType.size()] == ';';
}

std::optional<Status> status_of(const Headers& headers) {
  auto code = headers.get("grpc-status");
  if (!code) return std::nullopt;
  auto number = base::parse_number<int>(*code);
  Status out;
  out.code = number && *number >= 0 && *number <= kLastCode ? static_cast<Code>(*number) : Code::Unknown;
  if (auto message = headers.get("grpc-message")) out.message = decode_message(*message);
  return out;
}

base::Error error_of(const Status& status) {
  return {kind_of(status.code), "gRPC " + std::string(name(status.code)) + ": " + status.message, base::Side::Internal,
          status.code == Code::Unavailable};
}

}  // namespace

std::string framed(std::string_view message) {
  const auto size = static_cast<uint32_t>(message.size());
  std::string out;
  out.reserve(kPrefix + message.size());
  out += '\0';
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(size >> shift & 0xff);
  out += message;
  return out;
}

base::Result<std::optional<std::string>> take_message(std::string& buffer, size_t most) {
  if (buffer.size() < kPrefix) return std::nullopt;
  if (buffer[0] != 0) return base::fail(ErrorKind::Invalid, "gRPC: a compressed message, which was not offered");
  uint32_t size = 0;
  for (size_t i = 1; i < kPrefix; ++i) size = size << 8 | static_cast<uint8_t>(buffer[i]);
  if (size > most) {
    return base::fail(ErrorKind::Exhausted, "gRPC: a message of " + std::to_string(size) + " bytes; at most " +
                                                std::to_string(most) + " are taken");
  }
  if (buffer.size() < kPrefix + size) {
    buffer.reserve(kPrefix + size);
    return std::nullopt;
  }
  std::string message = buffer.substr(kPrefix, size);
  buffer.erase(0, kPrefix + size);
  return message;
}

std::string encode_message(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x20 && byte <= 0x7e && c != '%') {
      out += c;
    } else {
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return out;
}

std::string decode_message(std::string_view text) {
  auto decoded = percent_decode(text);
  return decoded ? *decoded : std::string(text);
}

ServerCall::ServerCall(std::shared_ptr<Exchange> exchange, size_t max_message)
    : exchange_(std::move(exchange)), max_message_(max_message) {}

bool ServerCall::is_grpc(const RequestHead& request) {
  return request.method == "POST" && is_grpc_type(request.headers.get("content-type"));
}

net::Task<base::Result<std::optional<std::string>>> ServerCall::read() {
  for (;;) {
    base::Result<std::optional<std::string>> message = take_message(buffer_, max_message_);
    if (!message || *message) co_return message;
    base::Result<std::optional<std::string>> piece = co_await exchange_->read();
    if (!piece) co_return piece;
    if (!*piece) {
      if (!buffer_.empty()) co_return base::fail(ErrorKind::Invalid, "gRPC: the call ended within a message");
      co_return std::nullopt;
    }
    buffer_ += **piece;
  }
}

static ResponseHead response_head() {
  ResponseHead head;
  head.headers.add("content-type", "application/grpc");
  return head;
}

net::Task<base::Result<void>> ServerCall::write(std::string message) {
  if (!std::exchange(started_, true)) exchange_->start(response_head());
  base::Result<void> written = co_await exchange_->write(framed(message));
  co_return written;
}

void ServerCall::finish(Status status) {
  Headers trailers;
  trailers.add("grpc-status", std::to_string(static_cast<int>(status.code)));
  if (!status.message.empty()) trailers.add("grpc-message", encode_message(status.message));
  if (!std::exchange(started_, true)) exchange_->start(response_head());
  exchange_->finish(std::move(trailers));
}

net::Task<base::Result<void>> ClientCall::write(std::string message) {
  base::Result<void> written = co_await stream_->write(framed(message));
  co_return written;
}

net::Task<base::Result<std::optional<std::string>>> ClientCall::read() {
  if (!std::exchange(started_, true)) {
    base::Result<ResponseHead> head = co_await stream_->response();
    if (!head) co_return std::unexpected(std::move(head.error()));
    if (auto early = status_of(head->headers)) {  // "trailers only"
      status_ = std::move(*early);
      ended_ = true;
    } else if (head->status != 200 || !is_grpc_type(head->headers.get("content-type"))) {
      status_ = {code_of_http(head->status), "the response is not gRPC: HTTP " + std::to_string(head->status)};
      co_return std::unexpected(error_of(status_));
    }
  }
  while (!ended_) {
    base::Result<std::optional<std::string>> message = take_message(buffer_, kMaxMessage);
    if (!message || *message) co_return message;
    base::Result<std::optional<std::string>> piece = co_await stream_->read();
    if (!piece) co_return piece;
    if (*piece) {
      buffer_ += **piece;
      continue;
    }
    ended_ = true;
    if (!buffer_.empty()) co_return base::fail(ErrorKind::Invalid, "gRPC: the call ended within a message");
    auto status = status_of(stream_->trailers());
    status_ = status ? std::move(*status) : Status{Code::Unknown, "the call ended without a status"};
  }
  co_return std::nullopt;
}

net::Task<base::Result<std::unique_ptr<ClientCall>>> open(Client& client, std::string path, Headers metadata) {
  RequestHead head;
  head.method = "POST";
  head.scheme.clear();
  head.path = std::move(path);
  head.headers = std::move(metadata);
  head.headers.set("content-type", "application/grpc");
  head.headers.set("te", "trailers");
  base::Result<std::unique_ptr<ClientStream>> stream = co_await client.open(std::move(head));
  if (!stream) co_return std::unexpected(std::move(stream.error()));
  co_return std::make_unique<ClientCall>(std::move(*stream));
}

net::Task<base::Result<std::string>> call(Client& client, std::string path, std::string message, Headers metadata) {
  base::Result<std::unique_ptr<ClientCall>> opened = co_await open(client, std::move(path), std::move(metadata));
  if (!opened) co_return std::unexpected(std::move(opened.error()));
  ClientCall& call = **opened;
  base::Result<void> written = co_await call.write(std::move(message));
  if (written) call.finish_writing();
  base::Result<std::optional<std::string>> answer = co_await call.read();
  if (!answer) co_return std::unexpected(std::move(answer.error()));
  if (*answer) {
    base::Result<std::optional<std::string>> end = co_await call.read();
    if (!end) co_return std::unexpected(std::move(end.error()));
    if (*end) co_return base::fail(ErrorKind::Invalid, "gRPC: more than one answer");
  }
  if (call.status().code != Code::Ok) co_return std::unexpected(error_of(call.status()));
  if (!*answer) co_return base::fail(ErrorKind::Invalid, "gRPC: no answer");
  co_return std::move(**answer);
}

}  // namespace http::grpc
