// SPDX-License-Identifier: Apache-2.0
// Client and server together, over loopback, in every version of HTTP.
#include <gtest/gtest.h>

#include "http/client.h"
#include "http/server.h"
#include "net/certificates_for_test.h"

namespace http {
namespace {

using namespace std::chrono_literals;
using Piece = base::Result<std::optional<std::string>>;

struct Kind {
  const char* name;
  Version version;
  bool tls;
};

// What the handler saw and did, kept outside of it.
struct Seen {
  std::vector<std::string> requests;
  int closed = 0;
  size_t received = 0;
  std::shared_ptr<Exchange> held;
  net::Oneshot<bool> ended;
};

net::Task<void> stream_back(std::shared_ptr<Exchange> exchange) {
  ResponseHead head;
  head.headers.add("x-kind", "stream");
  exchange->start(std::move(head));
  for (;;) {
    Piece piece = co_await exchange->read();
    if (!piece) co_return;
    if (!*piece) break;
    base::Result<void> written = co_await exchange->write(std::move(**piece));
    if (!written) co_return;
  }
  Headers trailers;
  trailers.add("x-end", "yes");
  exchange->finish(std::move(trailers));
}

net::Task<void> count_body(std::shared_ptr<Exchange> exchange, Seen& seen) {
  for (;;) {
    Piece piece = co_await exchange->read();
    if (!piece) co_return;
    if (!*piece) break;
    seen.received += (*piece)->size();
  }
  exchange->respond(200, std::to_string(seen.received));
}

net::Task<void> hold(std::shared_ptr<Exchange> exchange, Seen& seen) {
  exchange->on_closed([&seen] { ++seen.closed; });
  ResponseHead head;
  exchange->start(std::move(head));
  base::Result<void> first = co_await exchange->write("first");
  while (!exchange->closed()) {
    base::Result<void> more = co_await exchange->write("more");
    if (!more) break;
    co_await net::sleep(net::Loop::current(), 1ms);
  }
  seen.ended.set(true);
}

net::Task<void> handle(std::shared_ptr<Exchange> exchange, Seen& seen) {
  const RequestHead& request = exchange->request();
  seen.requests.push_back(request.method + " " + request.scheme + "://" + request.authority + request.path);
  const std::string_view path = request.path_only();
  if (path == "/hello") {
    exchange->respond(200, "hello\n");
  } else if (path == "/stream") {
    co_await stream_back(exchange);
  } else if (path == "/count") {
    co_await count_body(exchange, seen);
  } else if (path == "/hold") {
    co_await hold(exchange, seen);
  } else if (path == "/all") {
    base::Result<std::string> body = co_await exchange->read_all(1000);
    exchange->respond(body ? 200 : 413, body ? *body : body.error().message);
  } else if (path == "/big") {
    exchange->respond(200, std::string(3u << 20, 'b'));
  } else if (path == "/later") {
    co_await net::sleep(net::Loop::current(), 1ms);
    exchange->respond(200, std::string(request.query()));
  } else if (path == "/abort") {
    exchange->start(ResponseHead{});
    base::Result<void> written = co_await exchange->write("some");
    co_await net::sleep(net::Loop::current(), 1ms);
    exchange->abort();
  } else if (path == "/empty") {
    exchange->respond(204, "", "");
  } else if (path == "/half") {
    exchange->start(ResponseHead{});
    base::Result<void> written = co_await exchange->write("half");
  }
}

class Exchanges : public testing::TestWithParam<Kind> {
 protected:
  Exchanges() {
    if (GetParam().tls) {
      auto leaf = authority_.leaf("server", "DNS:localhost,IP:127.0.0.1");
      net::TlsSettings settings;
      settings.certificate_chain = leaf.certificate;
      settings.private_key = leaf.key;
      settings.alpn = {"h2", "http/1.1"};
      server_options_.tls = net::TlsContext::server(settings).value();
      net::TlsSettings trust;
      trust.trusted_roots = authority_.pem();
      client_options_.tls = net::TlsContext::client(trust).value();
    }
    client_options_.host = "127.0.0.1";
    client_options_.version = GetParam().version;
  }

  // Every test begins with this, after it changed the options.
  void start() {
    server_.emplace(
        loop_, [this](std::shared_ptr<Exchange> exchange) { return handle(std::move(exchange), seen_); },
        server_options_);
    address_ = server_->listen(*net::Address::parse("127.0.0.1", 0)).value();
    client_options_.port = address_.port();
    client_.emplace(loop_, client_options_);
  }
  base::Result<Response> fetch(std::string method, std::string path, std::string body = {}) {
    Request request;
    request.method = std::move(method);
    request.path = std::move(path);
    request.body = std::move(body);
    return net::run_to_end(loop_, client_->fetch(std::move(request)));
  }

  net::TestAuthority authority_;
  net::Loop loop_;
  ServerOptions server_options_;
  ClientOptions client_options_;
  Seen seen_;
  std::optional<Server> server_;
  std::optional<Client> client_;
  net::Address address_;
};

TEST_P(Exchanges, ARequestGetsItsResponse) {
  start();
  auto response = fetch("GET", "/hello?a=b");
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "hello\n");
  EXPECT_EQ(response->headers.get("content-length"), "6");
  EXPECT_EQ(response->headers.get("content-type"), "text/plain; charset=utf-8");
  EXPECT_TRUE(response->headers.contains("date"));
  EXPECT_EQ(seen_.requests.at(0),
            std::string(GetParam().tls ? "GET https://" : "GET http://") + address_.text() + "/hello?a=b");
}

TEST_P(Exchanges, HeadAndNoContentHaveNoBodyAndTheConnectionGoesOn) {
  start();
  auto head = fetch("HEAD", "/hello");
  ASSERT_TRUE(head) << head.error().message;
  EXPECT_EQ(head->body, "");
  EXPECT_EQ(head->headers.get("content-length"), "6");
  auto empty = fetch("DELETE", "/empty");
  ASSERT_TRUE(empty) << empty.error().message;
  EXPECT_EQ(empty->status, 204);
  EXPECT_EQ(fetch("GET", "/hello")->body, "hello\n");
}

TEST_P(Exchanges, AHandlerThatAnswersNothingGives500) {
  start();
  EXPECT_EQ(fetch("GET", "/nothing")->status, 500);
  EXPECT_EQ(fetch("POST", "/nothing", "body")->status, 500);
  EXPECT_EQ(fetch("GET", "/hello")->status, 200);
}

TEST_P(Exchanges, AHandlerThatStopsHalfWayIsNotTakenForAWholeResponse) {
  start();
  EXPECT_FALSE(fetch("GET", "/half"));
  EXPECT_FALSE(fetch("GET", "/abort"));
  EXPECT_TRUE(fetch("GET", "/hello"));
}

TEST_P(Exchanges, ABodyOverTheLimitIsExhausted) {
  start();
  EXPECT_EQ(fetch("POST", "/all", std::string(1000, 'x'))->body.size(), 1000u);
  EXPECT_EQ(fetch("POST", "/all", std::string(1001, 'x'))->status, 413);
}

TEST_P(Exchanges, AClientTakesNoMoreOfABodyThanItWasToldTo) {
  client_options_.largest = 5;
  start();
  EXPECT_EQ(fetch("GET", "/hello").error().kind, base::ErrorKind::Exhausted);
  client_options_.keeps_body = false;
  client_.emplace(loop_, client_options_);
  auto response = fetch("GET", "/hello");
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "");
}

net::Task<base::Result<size_t>> back_and_forth(Client& client, size_t size) {
  RequestHead head;
  head.method = "POST";
  head.path = "/stream";
  base::Result<std::unique_ptr<ClientStream>> opened = co_await client.open(std::move(head));
  if (!opened) co_return std::unexpected(opened.error());
  ClientStream& stream = **opened;
  std::string block(50'000, 'x');
  size_t got = 0;
  bool started = false;
  for (size_t sent = 0; sent < size; sent += block.size()) {
    base::Result<void> written = co_await stream.write(block);
    if (!written) co_return std::unexpected(written.error());
    if (!std::exchange(started, true)) {
      base::Result<ResponseHead> answer = co_await stream.response();
      if (!answer) co_return std::unexpected(answer.error());
    }
    while (got < sent) {
      Piece piece = co_await stream.read();
      if (!piece) co_return std::unexpected(piece.error());
      got += (*piece)->size();
    }
  }
  stream.finish();
  for (;;) {
    Piece piece = co_await stream.read();
    if (!piece) co_return std::unexpected(piece.error());
    if (!*piece) break;
    got += (*piece)->size();
  }
  if (stream.trailers().get("x-end") != "yes") co_return base::fail(base::ErrorKind::Invalid, "no trailers");
  co_return got;
}

TEST_P(Exchanges, BodiesStreamBothWaysAtOnceAndTrailersFollow) {
  start();
  auto got = net::run_to_end(loop_, back_and_forth(*client_, 2'000'000));
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(*got, 2'000'000u);
}

TEST_P(Exchanges, BigBodiesArriveWhole) {
  start();
  EXPECT_EQ(fetch("POST", "/count", std::string(3u << 20, 'a'))->body, std::to_string(3u << 20));
  EXPECT_EQ(fetch("GET", "/big")->body, std::string(3u << 20, 'b'));
}

net::Task<base::Result<size_t>> slow_read(Client& client, std::string path) {
  RequestHead head;
  head.path = std::move(path);
  base::Result<std::unique_ptr<ClientStream>> opened = co_await client.open(std::move(head));
  if (!opened) co_return std::unexpected(opened.error());
  base::Result<ResponseHead> answer = co_await (*opened)->response();
  if (!answer) co_return std::unexpected(answer.error());
  size_t got = 0;
  for (;;) {
    co_await net::sleep(net::Loop::current(), 0ms);
    Piece piece = co_await (*opened)->read();
    if (!piece) co_return std::unexpected(piece.error());
    if (!*piece) co_return got;
    got += (*piece)->size();
  }
}

TEST_P(Exchanges, ASlowReaderGetsEverythingToo) {
  start();
  EXPECT_EQ(net::run_to_end(loop_, slow_read(*client_, "/big")).value(), 3u << 20);
}

// A writer must be held back when nobody reads at the other end.
net::Task<size_t> write_until_held(Client& client, net::Loop& loop) {
  RequestHead head;
  head.method = "POST";
  head.path = "/unread";
  base::Result<std::unique_ptr<ClientStream>> opened = co_await client.open(std::move(head));
  size_t sent = 0;
  bool waiting = true;
  auto write_all = [](ClientStream& stream, size_t& count) -> net::Task<void> {
    for (;;) {
      base::Result<void> written = co_await stream.write(std::string(64 * 1024, 'x'));
      if (!written) co_return;
      count += 64 * 1024;
    }
  };
  net::spawn(write_all(**opened, sent));
  for (size_t before = 1; waiting; before = sent) {
    co_await net::sleep(loop, 20ms);
    waiting = sent != before;
  }
  (*opened)->reset();
  co_await net::sleep(loop, 0ms);
  co_return sent;
}

net::Task<void> keep(std::shared_ptr<Exchange> exchange, Seen& seen) {
  seen.held = exchange;
  net::Signal never;
  net::Oneshot<bool> gone;
  exchange->on_closed([gone] { gone.set(true); });
  co_await gone.wait();
  seen.ended.set(true);
}

TEST_P(Exchanges, AWriterIsHeldBackWhileNobodyReads) {
  server_.emplace(
      loop_, [this](std::shared_ptr<Exchange> exchange) { return keep(std::move(exchange), seen_); }, server_options_);
  client_options_.port = server_->listen(*net::Address::parse("127.0.0.1", 0)).value().port();
  client_.emplace(loop_, client_options_);
  EXPECT_LT(net::run_to_end(loop_, write_until_held(*client_, loop_)), 32u << 20);
  seen_.held.reset();
}

net::Task<void> wait_for(net::Oneshot<bool> oneshot) { co_await oneshot.wait(); }

net::Task<base::Result<std::string>> read_first_and_leave(Client& client) {
  RequestHead head;
  head.path = "/hold";
  base::Result<std::unique_ptr<ClientStream>> opened = co_await client.open(std::move(head));
  if (!opened) co_return std::unexpected(opened.error());
  base::Result<ResponseHead> answer = co_await (*opened)->response();
  if (!answer) co_return std::unexpected(answer.error());
  Piece piece = co_await (*opened)->read();
  if (!piece) co_return std::unexpected(piece.error());
  co_return **piece;
}

TEST_P(Exchanges, AHandlerIsToldWhenItsClientLeaves) {
  start();
  EXPECT_EQ(net::run_to_end(loop_, read_first_and_leave(*client_)).value().substr(0, 5), "first");
  net::run_to_end(loop_, wait_for(seen_.ended));
  EXPECT_EQ(seen_.closed, 1);
  EXPECT_EQ(fetch("GET", "/hello")->status, 200);
}

net::Task<void> fetch_into(Client& client, std::string path, std::vector<std::string>& out, size_t all,
                           net::Oneshot<bool> done) {
  Request request;
  request.path = std::move(path);
  base::Result<Response> response = co_await client.fetch(std::move(request));
  out.push_back(response ? response->body : "error: " + response.error().message);
  if (out.size() == all) done.set(true);
}

net::Task<void> fetch_many(Client& client, size_t count, std::vector<std::string>& out) {
  net::Oneshot<bool> done;
  for (size_t i = 0; i < count; ++i) {
    net::spawn(fetch_into(client, "/later?" + std::to_string(i), out, count, done));
  }
  co_await done.wait();
}

TEST_P(Exchanges, ManyRequestsAtOnceGetTheirOwnResponses) {
  start();
  std::vector<std::string> got;
  constexpr size_t kCount = 250;  // more than the streams that a connection may have
  net::run_to_end(loop_, fetch_many(*client_, kCount, got));
  std::sort(got.begin(), got.end());
  std::vector<std::string> expected;
  for (size_t i = 0; i < kCount; ++i) expected.push_back(std::to_string(i));
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(got, expected);
}

TEST_P(Exchanges, TheClientConnectsAgainToAServerThatWasReplaced) {
  start();
  EXPECT_EQ(fetch("GET", "/hello")->status, 200);
  const net::Address address = address_;
  server_.reset();
  server_.emplace(
      loop_, [this](std::shared_ptr<Exchange> exchange) { return handle(std::move(exchange), seen_); },
      server_options_);
  ASSERT_TRUE(server_->listen(address));
  auto response = fetch("GET", "/hello");
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 200);
}

TEST_P(Exchanges, AResponseThatDoesNotComeTimesOut) {
  client_options_.timeout = 20ms;
  start();
  auto response = fetch("GET", "/hold");
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, base::ErrorKind::Timeout);
  net::run_to_end(loop_, wait_for(seen_.ended));
}

net::Task<void> drain_while_busy(Server& server, Client& client, std::vector<std::string>& out) {
  net::Oneshot<bool> done;
  net::spawn(fetch_into(client, "/later?x", out, 1, done));
  co_await net::sleep(net::Loop::current(), 0ms);
  co_await server.drain(10s);
  co_await done.wait();
}

TEST_P(Exchanges, DrainingLetsRequestsFinish) {
  start();
  EXPECT_EQ(fetch("GET", "/hello")->status, 200);
  std::vector<std::string> got;
  net::run_to_end(loop_, drain_while_busy(*server_, *client_, got));
  EXPECT_EQ(got, std::vector<std::string>{"x"});
  EXPECT_FALSE(fetch("GET", "/hello"));
}

TEST_P(Exchanges, TheServerMayEndWhileAHandlerWaits) {
  start();
  EXPECT_EQ(net::run_to_end(loop_, read_first_and_leave(*client_)).value().substr(0, 5), "first");
  net::spawn([](Client& client, Seen& seen) -> net::Task<void> {
    base::Result<std::string> first = co_await read_first_and_leave(client);
    seen.requests.push_back("left");
  }(*client_, seen_));
  server_.reset();
  net::run_to_end(loop_, wait_for(seen_.ended));
}

INSTANTIATE_TEST_SUITE_P(Versions, Exchanges,
                         testing::Values(Kind{"Http1", Version::Http1, false}, Kind{"Http1Tls", Version::Http1, true},
                                         Kind{"Http2", Version::Http2, false}, Kind{"Http2Tls", Version::Http2, true}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace http
