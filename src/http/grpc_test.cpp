// SPDX-License-Identifier: Apache-2.0
#include "http/grpc.h"

#include <gtest/gtest.h>

namespace http::grpc {
namespace {

using Message = base::Result<std::optional<std::string>>;

net::Task<void> handle(std::shared_ptr<Exchange> exchange) {
  if (!ServerCall::is_grpc(exchange->request())) {
    exchange->respond(415, "not gRPC");
    co_return;
  }
  ServerCall call(exchange, 1 << 20);
  if (call.path() == "/test.Echo/Bidi") {
    for (;;) {
      Message message = co_await call.read();
      if (!message) {
        call.finish({Code::InvalidArgument, message.error().message});
        co_return;
      }
      if (!*message) break;
      base::Result<void> written = co_await call.write(**message);
      if (!written) co_return;
    }
    call.finish();
  } else if (call.path() == "/test.Echo/Unary") {
    Message message = co_await call.read();
    if (message && *message) base::Result<void> written = co_await call.write("got " + **message);
    call.finish(message ? Status{} : Status{Code::ResourceExhausted, message.error().message});
  } else if (call.path() == "/test.Echo/Page") {
    exchange->respond(503, "<html>");
  } else {
    call.finish({Code::NotFound, "100% \xc3\xa4 \n"});
  }
}

class Grpc : public testing::Test {
 protected:
  Grpc() : server_(loop_, handle) {
    options_.host = "127.0.0.1";
    options_.port = server_.listen(*net::Address::parse("127.0.0.1", 0)).value().port();
    options_.version = Version::Http2;
    client_.emplace(loop_, options_);
  }
  base::Result<std::string> call_once(std::string path, std::string message) {
    return net::run_to_end(loop_, call(*client_, std::move(path), std::move(message)));
  }

  net::Loop loop_;
  Server server_;
  ClientOptions options_;
  std::optional<Client> client_;
};

TEST_F(Grpc, AUnaryCallGetsItsAnswer) {
  EXPECT_EQ(call_once("/test.Echo/Unary", "x").value(), "got x");
  EXPECT_EQ(call_once("/test.Echo/Unary", std::string(1000'000, 'y')).value().size(), 1000'004u);
}

TEST_F(Grpc, AStatusIsAnErrorWithItsNameAndMessage) {
  auto answer = call_once("/test.Echo/None", "x");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, base::ErrorKind::NotFound);
  EXPECT_EQ(answer.error().message, "gRPC NOT_FOUND: 100% \xc3\xa4 \n");
}

TEST_F(Grpc, AMessageOverTheLimitIsExhausted) {
  auto answer = call_once("/test.Echo/Unary", std::string((1 << 20) + 1, 'z'));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, base::ErrorKind::Exhausted);
}

TEST_F(Grpc, AResponseThatIsNotGrpcIsUnavailable) {
  auto answer = call_once("/test.Echo/Page", "x");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, base::ErrorKind::Unavailable);
}

net::Task<std::string> ping_pong(Client& client) {
  base::Result<std::unique_ptr<ClientCall>> opened = co_await open(client, "/test.Echo/Bidi");
  if (!opened) co_return opened.error().message;
  ClientCall& call = **opened;
  std::string log;
  for (int i = 0; i < 100; ++i) {
    base::Result<void> written = co_await call.write(std::string(static_cast<size_t>(i * 100), 'p'));
    if (!written) co_return written.error().message;
    Message answer = co_await call.read();
    if (!answer) co_return answer.error().message;
    if ((*answer)->size() != static_cast<size_t>(i * 100)) co_return "wrong size";
  }
  call.finish_writing();
  Message end = co_await call.read();
  if (!end || *end) co_return "no end";
  co_return call.status().code == Code::Ok ? "ok" : call.status().message;
}

TEST_F(Grpc, MessagesGoBackAndForthInOneCall) { EXPECT_EQ(net::run_to_end(loop_, ping_pong(*client_)), "ok"); }

}  // namespace
}  // namespace http::grpc
