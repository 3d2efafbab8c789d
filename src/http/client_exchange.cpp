// SPDX-License-Identifier: Apache-2.0
#include "http/client_exchange.h"

namespace http {

using base::ErrorKind;

net::Task<base::Result<void>> ClientExchange::write(std::string bytes) {
  auto self = shared_from_this();
  std::string_view left = bytes;
  for (;;) {
    if (error_) co_return std::unexpected(*error_);
    if (complete_) co_return base::fail(ErrorKind::Closed, "the response came before the end of the request");
    const size_t sent = CO_TRY(send(left));
    left.remove_prefix(sent);
    if (left.empty()) co_return base::Result<void>();
    co_await drained_.wait();
  }
}

net::Task<base::Result<ResponseHead>> ClientExchange::response() {
  auto self = shared_from_this();
  if (head_taken_) co_return base::fail(ErrorKind::Invalid, "the response's head was taken already");
  while (!head_ && !error_) co_await head_came_.wait();
  if (!head_) co_return std::unexpected(*error_);
  head_taken_ = true;
  ResponseHead out = std::move(*head_);
  head_.reset();
  co_return out;
}

net::Task<base::Result<std::optional<std::string>>> ClientExchange::read() {
  auto self = shared_from_this();
  for (;;) {
    if (!body_.empty()) {
      std::string out = std::exchange(body_, {});
      body_taken(out.size());
      co_return out;
    }
    if (complete_) co_return std::nullopt;
    if (error_) co_return std::unexpected(*error_);
    co_await readable_.wait();
  }
}

void ClientExchange::notify(net::Signal& signal) {
  if (auto self = weak_from_this().lock()) signal.notify();
}

void ClientExchange::set_head(ResponseHead head) {
  head_ = std::move(head);
  notify(head_came_);
}

void ClientExchange::add_body(std::string_view bytes) {
  body_ += bytes;
  if (!bytes.empty()) notify(readable_);
}

void ClientExchange::set_complete(Headers trailers) {
  auto self = weak_from_this().lock();
  trailers_ = std::move(trailers);
  complete_ = true;
  readable_.notify();
  drained_.notify();
}

void ClientExchange::set_error(base::Error error) {
  auto self = weak_from_this().lock();
  if (complete_ || error_) return;
  error_ = std::move(error);
  head_came_.notify();
  readable_.notify();
  drained_.notify();
}

void ClientExchange::end(base::Error error) {
  auto self = weak_from_this().lock();
  set_error(std::move(error));  // first: losing the connection would tell another
  leave();
}

bool has_body(const RequestHead& head) {
  if (auto length = head.headers.get("content-length")) return *length != "0";
  return head.method != "GET" && head.method != "HEAD";
}

}  // namespace http
