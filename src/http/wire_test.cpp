// SPDX-License-Identifier: Apache-2.0
// The server against bytes that no client of ours would send, and WebSockets.
#include <gtest/gtest.h>

#include "http/server.h"
#include "http/websocket.h"

namespace http {
namespace {

using namespace std::chrono_literals;
using Piece = base::Result<std::optional<std::string>>;

net::Task<void> websocket_echo(std::shared_ptr<Exchange> exchange) {
  base::Result<std::unique_ptr<WebSocket>> socket = WebSocket::accept(*exchange, "");
  if (!socket) {
    exchange->respond(400, socket.error().message);
    co_return;
  }
  for (;;) {
    base::Result<std::optional<WebSocket::Message>> message = co_await (*socket)->read();
    if (!message || !*message) co_return;
    base::Result<void> written = co_await (*socket)->write(std::move(**message));
    if (!written) co_return;
  }
}

net::Task<void> handle(std::shared_ptr<Exchange> exchange) {
  const RequestHead& request = exchange->request();
  if (request.path == "/ws") {
    co_await websocket_echo(std::move(exchange));
  } else if (request.path == "/body") {
    base::Result<std::string> body = co_await exchange->read_all(1 << 20);
    exchange->respond(200, body ? "[" + *body + "]" : body.error().message, "");
  } else if (request.path == "/early") {
    exchange->respond(403, "no", "");
  } else if (request.path == "/later") {
    co_await net::sleep(net::Loop::current(), 1ms);
    exchange->respond(200, "later", "");
  } else {
    exchange->respond(200, request.path, "");
  }
}

// Sends the bytes, in pieces of `step`, and reads to the end. The client ends
// its side only where `half_close` says so, else the server has to.
net::Task<std::string> talk(net::Loop& loop, net::Address address, std::string bytes, size_t step, bool half_close) {
  base::Result<std::unique_ptr<net::ByteStream>> stream = co_await net::connect(loop, address);
  if (!stream) co_return "cannot connect";
  for (size_t at = 0; at < bytes.size(); at += step) {
    base::Result<void> written = co_await (*stream)->write(bytes.substr(at, step));
    if (!written) break;
    if (step < bytes.size()) co_await net::sleep(loop, 0ms);
  }
  if (half_close) (*stream)->shutdown_write();
  std::string all;
  for (;;) {
    Piece piece = co_await (*stream)->read();
    if (!piece || !*piece) co_return all;
    all += **piece;
  }
}

class Wire : public testing::Test {
 protected:
  std::string exchange(std::string bytes, bool half_close = true, size_t step = 1u << 20) {
    if (!server_) {
      server_.emplace(loop_, handle, options_);
      address_ = server_->listen(*net::Address::parse("127.0.0.1", 0)).value();
    }
    return net::run_to_end(loop_, talk(loop_, address_, std::move(bytes), step, half_close));
  }

  net::Loop loop_;
  ServerOptions options_;
  std::optional<Server> server_;
  net::Address address_;
};

size_t count(std::string_view text, std::string_view piece) {
  size_t out = 0;
  for (size_t at = text.find(piece); at != text.npos; at = text.find(piece, at + 1)) ++out;
  return out;
}

TEST_F(Wire, PipelinedRequestsAreAnsweredInTheirOrder) {
  const std::string got = exchange(
      "GET /later HTTP/1.1\r\nHost: x\r\n\r\n"
      "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
      "POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n"
      "GET /last HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(count(got, "HTTP/1.1 200 "), 4u) << got;
  const size_t later = got.find("later"), abc = got.find("[abc]"), def = got.find("[def]"), last = got.find("/last");
  EXPECT_LT(later, abc);
  EXPECT_LT(abc, def);
  EXPECT_LT(def, last);
  EXPECT_NE(last, got.npos);
}

// Sends requests until the server takes no more; then reads the answers to all that it took.
net::Task<void> flood(net::Loop& loop, net::Address address, std::string request, size_t most, size_t& sent,
                      std::string& answers) {
  base::Result<std::unique_ptr<net::ByteStream>> stream = co_await net::connect(loop, address);
  if (!stream) co_return;
  bool stuck = false;
  auto write = [](net::ByteStream& to, std::string bytes, size_t count, size_t& done, bool& ended) -> net::Task<void> {
    while (done < count) {
      base::Result<void> written = co_await to.write(bytes);
      if (!written) break;
      ++done;
    }
    ended = true;
  };
  bool ended = false;
  net::spawn(write(**stream, request, most, sent, ended));
  for (size_t before = 0, idle = 0; !ended && !stuck; before = sent) {
    co_await net::sleep(loop, 1ms);
    idle = sent == before ? idle + 1 : 0;
    stuck = idle > 100;
  }
  EXPECT_TRUE(stuck) << "all of it was taken: " << sent;
  size_t whole = 0;
  while (!ended || whole < sent) {
    Piece piece = co_await (*stream)->read();
    if (!piece || !*piece) break;
    answers += **piece;
    whole = count(answers, "HTTP/1.1 200");
  }
}

TEST_F(Wire, AClientThatTakesNoAnswersIsHeldBack) {
  server_.emplace(loop_, handle, options_);
  address_ = server_->listen(*net::Address::parse("127.0.0.1", 0)).value();
  size_t sent = 0;
  std::string answers;
  const std::string path = "/" + std::string(7000, 'p');
  net::run_to_end(loop_, flood(loop_, address_, "GET " + path + " HTTP/1.1\r\nhost: a\r\n\r\n", 4000, sent, answers));
  EXPECT_EQ(sent, 4000u);
  EXPECT_EQ(count(answers, "HTTP/1.1 200"), 4000u);
}

TEST_F(Wire, ARequestMayComeInSinglePieces) {
  const std::string got =
      exchange("POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n", true, 1);
  EXPECT_EQ(count(got, "HTTP/1.1 200 "), 1u) << got;
  EXPECT_NE(got.find("[de]"), got.npos);
}

TEST_F(Wire, ConnectionCloseEndsItAfterTheResponse) {
  const std::string got =
      exchange("GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n", false);
  EXPECT_EQ(count(got, "HTTP/1.1 200 "), 1u) << got;
}

TEST_F(Wire, OldClientsGetTheirAnswerAndTheEnd) {
  const std::string got = exchange("GET /a HTTP/1.0\r\n\r\n", false);
  EXPECT_EQ(count(got, " 200 "), 1u) << got;
}

TEST_F(Wire, AnAmbiguousRequestIsRefusedAndTheConnectionEnds) {
  const std::string got = exchange(
      "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
      "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
      false);
  EXPECT_EQ(got.substr(0, 12), "HTTP/1.1 400") << got;
  EXPECT_EQ(count(got, "HTTP/1.1 "), 1u) << got;
}

TEST_F(Wire, AWrongChunkInTheMiddleEndsTheConnection) {
  const std::string got =
      exchange("POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\nzz\r\n", false);
  EXPECT_EQ(count(got, "HTTP/1.1 2"), 0u) << got;
  EXPECT_EQ(count(got, "HTTP/1.1 400"), 1u) << got;
}

TEST_F(Wire, ContinueIsSentWhenTheBodyIsAskedFor) {
  const std::string got =
      exchange("POST /body HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok", true, 80);
  EXPECT_EQ(count(got, "[ok]"), 1u) << got;
  const std::string refused =
      exchange("POST /early HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", false);
  EXPECT_EQ(count(refused, "100 Continue"), 0u) << refused;
  EXPECT_EQ(count(refused, "HTTP/1.1 403"), 1u) << refused;
}

TEST_F(Wire, AnUnreadBodyDoesNotBecomeTheNextRequest) {
  const std::string got = exchange(
      "POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 29\r\n\r\nGET /smuggled HTTP/1.1\r\nHost:"
      "GET /next HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(count(got, "HTTP/1.1 403"), 1u) << got;
  EXPECT_EQ(count(got, "smuggled"), 0u) << got;
  EXPECT_EQ(count(got, "/next"), 1u) << got;
}

TEST_F(Wire, AHeadThatDoesNotEndTimesOut) {
  options_.header_timeout = 5ms;
  EXPECT_EQ(exchange("GET / HTTP/1.1\r\nHost: x\r\n", false).substr(0, 12), "HTTP/1.1 408");
  EXPECT_EQ(exchange("", false), "");
}

TEST_F(Wire, AnIdleConnectionIsClosed) {
  options_.idle_timeout = 5ms;
  EXPECT_EQ(count(exchange("GET /a HTTP/1.1\r\nHost: x\r\n\r\n", false), "HTTP/1.1 200"), 1u);
  EXPECT_EQ(count(exchange("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf", false), " 200 "), 0u);
}

const std::string kHandshake =
    "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

// Section 5.7's masked "Hello".
const std::string kHello("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
const std::string kZeroMask(4, '\0');

std::string after_head(const std::string& got) {
  const size_t end = got.find("\r\n\r\n");
  return end == got.npos ? "no head: " + got : got.substr(end + 4);
}

TEST_F(Wire, AWebSocketEchoesAndClosesInOrder) {
  const std::string got = exchange(kHandshake + kHello + std::string("\x88\x82", 2) + kZeroMask + "\x03\xe8", false);
  EXPECT_EQ(got.substr(0, 12), "HTTP/1.1 101");
  EXPECT_NE(got.find("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), got.npos) << got;
  EXPECT_EQ(after_head(got), "\x81\x05Hello\x88\x02\x03\xe8");
}

TEST_F(Wire, FragmentsBecomeOneMessageAndPingsBetweenThemAreAnswered) {
  const std::string got =
      exchange(kHandshake + std::string("\x01\x82", 2) + kZeroMask + "He" + std::string("\x89\x81", 2) + kZeroMask +
                   "p" + std::string("\x80\x83", 2) + kZeroMask + "llo" + std::string("\x88\x80", 2) + kZeroMask,
               false, 3);
  EXPECT_EQ(after_head(got), "\x8a\x01p\x81\x05Hello\x88\x02\x03\xe8");
}

TEST_F(Wire, WebSocketViolationsEndWithTheirCode) {
  const struct {
    const char* what;
    std::string frame;
    std::string code;
  } kCases[] = {
      {"not masked", std::string("\x81\x05Hello", 7), "\x03\xea"},
      {"reserved bit", std::string("\xc1\x80", 2) + kZeroMask, "\x03\xea"},
      {"unknown opcode", std::string("\x83\x80", 2) + kZeroMask, "\x03\xea"},
      {"fragmented ping", std::string("\x09\x80", 2) + kZeroMask, "\x03\xea"},
      {"continuation of nothing", std::string("\x80\x80", 2) + kZeroMask, "\x03\xea"},
      {"length in too many bytes", std::string("\x82\xfe\x00\x01", 4) + kZeroMask + "x", "\x03\xea"},
      {"text that is not UTF-8", std::string("\x81\x82", 2) + kZeroMask + "\xc0\xaf", "\x03\xef"},
      {"close with a code that must not be sent", std::string("\x88\x82", 2) + kZeroMask + "\x03\xed", "\x03\xea"},
      {"too large", std::string("\x82\xff\x00\x00\x00\x00\x10\x00\x00\x00", 10) + kZeroMask, "\x03\xf1"},
  };
  for (const auto& wrong : kCases) {
    const std::string answer = after_head(exchange(kHandshake + wrong.frame, false));
    ASSERT_GE(answer.size(), 4u) << wrong.what;
    EXPECT_EQ(answer[0], '\x88') << wrong.what;
    EXPECT_EQ(answer.substr(2, 2), wrong.code) << wrong.what;
  }
}

}  // namespace
}  // namespace http
