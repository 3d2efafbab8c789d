// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "localkube/api/streaming/clients.h"
#include "net/connection_stream.h"

namespace localkube {
namespace {

struct Nobody final : net::Connection::Handler {
  void on_data(net::Connection&) override {}
  void on_end(net::Connection&) override {}
  void on_closed(net::Connection&, const base::Error&) override {}
};

net::Task<void> say(std::shared_ptr<RemoteClient> client, std::string text) {
  bool sent = co_await client->send_out(std::move(text));
  EXPECT_TRUE(sent);
}

// As the session does, until the client has gone.
net::Task<void> listen(std::shared_ptr<RemoteClient> client) {
  while (true) {
    auto input = co_await client->read();
    if (!input) co_return;
  }
}

// The server's end of an exec that has said "hello", and the client's stream.
class WebSocketClientTest : public testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    auto socket = std::make_shared<http::WebSocket>(stream_on(ends[0]), http::WebSocket::Role::Server);
    peer_ = stream_on(ends[1]);
    auto client = websocket_client(loop_, std::move(socket), 0);
    net::spawn(listen(client));
    net::spawn(say(client, "hello"));
  }

  std::unique_ptr<net::ByteStream> stream_on(int fd) {
    auto connection = std::make_unique<net::Connection>(loop_, nobody_);
    EXPECT_TRUE(connection->adopt(fd));
    return net::stream_of(std::move(connection));
  }

  static net::Task<std::string> bytes_from(net::ByteStream& stream, size_t count) {
    std::string bytes;
    while (bytes.size() < count) {
      auto piece = co_await stream.read();
      if (!piece || !*piece) break;
      bytes += **piece;
    }
    co_return bytes;
  }

  static net::Task<std::vector<std::string>> messages(http::WebSocket& socket, size_t count) {
    std::vector<std::string> all;
    while (all.size() < count) {
      auto message = co_await socket.read();
      if (!message || !*message) break;
      all.push_back((*message)->data);
    }
    co_return all;
  }

  Nobody nobody_;
  net::Loop loop_;
  std::unique_ptr<net::ByteStream> peer_;
};

const std::string kPing("\x89\x00", 2);
const std::string kGreeting("\x82\x01\x01", 3);  // nothing, on the channel of the output
const std::string kHello("\x82\x06\x01hello", 8);

TEST_F(WebSocketClientTest, AClientThatMayHaveNoStreamsYetIsOnlyPinged) {
  EXPECT_EQ(net::run_to_end(loop_, bytes_from(*peer_, 1)), kPing);
  // A masked message: the size of its window.
  std::string size = R"({"Width":80,"Height":24})", frame("\x82", 1);
  frame += static_cast<char>(0x80 | (size.size() + 1));
  frame.append(4, '\0').append(1, '\x04').append(size);
  EXPECT_TRUE(net::run_to_end(loop_, peer_->write(frame)));
  EXPECT_EQ(net::run_to_end(loop_, bytes_from(*peer_, 11)), kGreeting + kHello);
}

TEST_F(WebSocketClientTest, AClientThatNeedSayNothingAnswersThePing) {
  http::WebSocket client(std::move(peer_), http::WebSocket::Role::Client);
  EXPECT_EQ(net::run_to_end(loop_, messages(client, 2)), (std::vector<std::string>{"\x01", "\x01hello"}));
}

TEST_F(WebSocketClientTest, AClientThatDoesNotAnswerPingsIsWaitedForAMomentOnly) {
  EXPECT_EQ(net::run_to_end(loop_, bytes_from(*peer_, 13)), kPing + kGreeting + kHello);
}

}  // namespace
}  // namespace localkube
