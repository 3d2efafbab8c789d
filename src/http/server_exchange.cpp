// SPDX-License-Identifier: Apache-2.0
#include "http/server_exchange.h"

#include <ctime>

namespace http {

using base::ErrorKind;

net::Task<base::Result<std::string>> Exchange::read_all(size_t limit) {
  std::string all;
  for (;;) {
    base::Result<std::optional<std::string>> piece = co_await read();
    if (!piece) co_return std::unexpected(std::move(piece.error()));
    if (!*piece) co_return all;
    if (all.size() + (*piece)->size() > limit) {
      co_return base::fail(ErrorKind::Exhausted,
                           "the request's body is larger than " + std::to_string(limit) + " bytes");
    }
    if (all.empty()) {
      all = std::move(**piece);
    } else {
      all += **piece;
    }
  }
}

void Exchange::respond(int status, std::string body, std::string_view content_type) {
  Response response;
  response.status = status;
  if (!content_type.empty()) response.headers.add("content-type", content_type);
  response.body = std::move(body);
  respond(std::move(response));
}

net::Task<base::Result<std::optional<std::string>>> ServerExchange::read() {
  auto self = shared_from_this();
  for (;;) {
    if (!body_.empty()) {
      std::string out = std::exchange(body_, {});
      body_taken(out.size());
      co_return out;
    }
    if (request_complete_) co_return std::nullopt;
    if (broken_ || !attached()) {
      co_return base::fail(ErrorKind::Closed, "the peer ended the request before its body's end");
    }
    body_wanted();
    co_await readable_.wait();
  }
}

net::Task<base::Result<void>> ServerExchange::write(std::string bytes) {
  auto self = shared_from_this();
  std::string_view left = bytes;
  for (;;) {
    if (broken_ || !attached()) co_return base::fail(ErrorKind::Closed, "the peer took no more of the response");
    left.remove_prefix(send(left));
    if (left.empty()) co_return base::Result<void>();
    co_await drained_.wait();
  }
}

void ServerExchange::on_closed(std::move_only_function<void()> call) {
  if (closed_) {
    call();
  } else {
    on_closed_ = std::move(call);
  }
}

void ServerExchange::keep_and_notify(net::Signal& signal) {
  auto self = weak_from_this().lock();
  if (self) signal.notify();
}

void ServerExchange::add_body(std::string_view bytes, bool end) {
  body_ += bytes;
  if (end) request_complete_ = true;
  if (end || !body_.empty()) keep_and_notify(readable_);
}

void ServerExchange::peer_ended() {
  auto self = weak_from_this().lock();
  if (!self || closed_) return;
  closed_ = true;
  if (auto call = std::exchange(on_closed_, {})) call();
}

void ServerExchange::peer_gone() {
  auto self = weak_from_this().lock();
  broken_ = true;
  if (!self) return;
  peer_ended();
  readable_.notify();
  drained_.notify();
}

void ServerExchange::handler_ended() {
  if (!started_ && !broken_) Exchange::respond(500, "the server has no answer\n");
}

std::string_view date_text() {
  struct Cached {
    time_t second = 0;
    char text[32] = "";
    size_t size = 0;
  };
  thread_local Cached cached;
  const time_t now = time(nullptr);
  if (now != cached.second) {
    tm parts{};
    gmtime_r(&now, &parts);
    cached.size = strftime(cached.text, sizeof cached.text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    cached.second = now;
  }
  return {cached.text, cached.size};
}

}  // namespace http
