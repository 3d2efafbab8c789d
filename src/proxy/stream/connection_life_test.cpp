// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <vector>

#include "base/strings.h"
#include "http/h2.h"
#include "proxy/runtime/blocking_socket.h"
#include "proxy/runtime/harness.h"

// How long downstream HTTP connections live, and how they end. The clients are blocking sockets of this test's.
namespace proxy {
namespace {

using namespace proxy::testing;
namespace h2 = http::h2;

struct Frame {
  int type;
  uint32_t id;
  std::string payload;
  uint32_t number(size_t at = 0) const {
    uint32_t out = 0;
    for (size_t i = at; i < at + 4; ++i) out = out << 8 | static_cast<unsigned char>(payload[i]);
    return out;
  }
};
constexpr int kPing = 6, kGoaway = 7;

// A client that keeps the frames that it got.
class Client final : private h2::Sink {
 public:
  explicit Client(uint16_t port) : socket_(port), session_(h2::Role::Client, {}, *this, out_) { flush(); }

  void get(const std::string& path) {
    http::RequestHead head;
    head.method = "GET";
    head.scheme = "http";
    head.authority = "a";
    head.path = path;
    session_.send_request(head, true, nullptr);
    flush();
  }
  // False at the end of the connection.
  bool step() {
    const std::string piece = socket_.read();
    if (piece.empty()) return false;
    bytes_ += piece;
    for (; bytes_.size() >= 9;) {
      auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(bytes_[i])); };
      const size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
      if (bytes_.size() < size + 9) break;
      const bool ack = byte(4) & 1;
      Frame frame{static_cast<int>(byte(3)), byte(5) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8),
                  bytes_.substr(9, size)};
      if (frame.type != kPing || !ack) frames.push_back(frame);
      if (frame.type != kPing || answers_pings) session_.receive(std::string_view(bytes_).substr(0, size + 9), {});
      bytes_.erase(0, size + 9);
    }
    flush();
    return true;
  }
  std::vector<Frame> of(int type) const {
    std::vector<Frame> out;
    for (const Frame& frame : frames)
      if (frame.type == type) out.push_back(frame);
    return out;
  }
  bool ended() const { return socket_.ended(); }

  std::vector<Frame> frames;
  std::vector<int> answers;
  bool answers_pings = true;

 private:
  void flush() {
    socket_.write(out_.view());
    out_.consume(out_.size());
  }
  void on_request(h2::Stream&, http::RequestHead&, bool) override {}
  void on_response(h2::Stream&, http::ResponseHead& head, bool) override { answers.push_back(head.status); }
  void on_data(h2::Stream& at, std::string_view bytes, bool) override { session_.consumed(at.id, bytes.size()); }
  void on_trailers(h2::Stream&, http::Headers&) override {}
  void on_reset(h2::Stream&, h2::ErrorCode) override { answers.push_back(0); }
  void on_writable(h2::Stream&) override {}
  void on_goaway(h2::StreamId, h2::ErrorCode) override {}

  Socket socket_;
  net::Buffer out_;
  h2::Session session_;
  std::string bytes_;
};

std::string with(const std::string& options) {
  std::string lines;
  for (std::string_view line : base::split(options, ';')) lines += "          " + std::string(line) + "\n";
  return bootstrap_of(
      "              - {match: {prefix: /}, direct_response: {status: 200, body: {inline_string: ok}}}\n",
      cluster_of("c", "1"), lines);
}

size_t count_of(std::string_view text, std::string_view what) {
  size_t out = 0;
  for (size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++out;
  return out;
}

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

TEST(ConnectionLife, TheLastRequestThatAConnectionMayCarryIsAnsweredWithTheWishToClose) {
  net::Loop loop;
  Proxy proxy(loop, with("common_http_protocol_options: {max_requests_per_connection: 2}"));
  Socket one(proxy.port());
  for (int i = 0; i < 3; ++i) one.write(kGet);
  const std::string answers = one.read_all();
  EXPECT_EQ(count_of(answers, "HTTP/1.1 200"), 2u) << answers;
  EXPECT_EQ(count_of(answers, "connection: close"), 1u) << answers;
  EXPECT_GT(answers.find("connection: close"), answers.rfind("HTTP/1.1 200"));

  Client two(proxy.port());
  two.get("/");
  while (two.answers.empty() && two.step()) {
  }
  EXPECT_TRUE(two.of(kGoaway).empty());
  two.get("/");
  while (two.step()) {
  }
  EXPECT_TRUE(two.ended());
  EXPECT_EQ(two.answers, (std::vector<int>{200, 200}));
  ASSERT_EQ(two.of(kGoaway).size(), 2u);
  EXPECT_EQ(two.of(kGoaway)[0].number(), 0x7fffffffu);
  EXPECT_EQ(two.of(kGoaway)[1].number(), 3u);
}

TEST(ConnectionLife, AConnectionThatHasLastedLongEnoughIsDrainedAndThenClosed) {
  net::Loop loop;
  Proxy proxy(loop, with("common_http_protocol_options: {max_connection_duration: 0.1s};drain_timeout: 0.1s"));
  Socket one(proxy.port());  // idle: closed once the time to drain is over
  one.write(kGet);
  const std::string answer = one.read_all();
  EXPECT_TRUE(one.ended());
  EXPECT_EQ(count_of(answer, "HTTP/1.1 200"), 1u);

  Client two(proxy.port());
  two.get("/");
  while (two.step()) {
  }
  EXPECT_TRUE(two.ended());
  ASSERT_EQ(two.of(kGoaway).size(), 2u);
  EXPECT_EQ(two.of(kGoaway)[0].number(), 0x7fffffffu);
  EXPECT_EQ(two.of(kGoaway)[1].number(), 1u);
  EXPECT_TRUE(two.of(kPing).empty()) << "the time is waited for, not the peer";
}

TEST(ConnectionLife, ABusyConnectionThatHasLastedLongEnoughSaysSoInItsNextAnswer) {
  net::Loop loop;
  Proxy proxy(loop, with("common_http_protocol_options: {max_connection_duration: 0.1s};"
                         "http1_safe_max_connection_duration: true;drain_timeout: 0s"));
  Socket one(proxy.port());
  std::string all;
  for (one.write(kGet); !all.contains("connection: close"); one.write(kGet)) {
    const std::string piece = one.read();
    ASSERT_FALSE(piece.empty()) << all.size();
    all = all.substr(all.size() - std::min<size_t>(all.size(), 100)) + piece;
  }
  EXPECT_FALSE(all.empty());
}

TEST(ConnectionLife, HttpTwoSettingsOfAListenerAreTold) {
  net::Loop loop;
  Proxy proxy(loop, with("http2_protocol_options: {initial_stream_window_size: 70000, "
                         "initial_connection_window_size: 3000000, hpack_table_size: 1234}"));
  Client client(proxy.port());
  client.get("/");
  while (client.answers.empty() && client.step()) {
  }
  ASSERT_FALSE(client.frames.empty());
  const Frame& settings = client.frames[0];
  auto setting = [&](int id) -> uint32_t {
    for (size_t at = 0; at + 6 <= settings.payload.size(); at += 6)
      if (settings.payload[at + 1] == id) return settings.number(at + 2);
    return 0;
  };
  EXPECT_EQ(setting(1), 1234u);
  EXPECT_EQ(setting(4), 70000u);
  ASSERT_FALSE(client.of(8).empty());
  EXPECT_EQ(client.of(8)[0].number(), 3000000u - 65535u);
}

TEST(ConnectionLife, APeerThatAnswersNoPingIsLeft) {
  net::Loop loop;
  Proxy proxy(loop, with("http2_protocol_options: {connection_keepalive: {interval: 0.02s, timeout: 5s}}"));
  Client good(proxy.port());
  while (good.of(kPing).size() < 3 && good.step()) {
  }
  EXPECT_EQ(good.of(kPing).size(), 3u);

  Proxy strict(loop, with("http2_protocol_options: {connection_keepalive: {interval: 0.02s, timeout: 0.02s}}"));
  Client silent(strict.port());
  silent.answers_pings = false;
  while (silent.step()) {
  }
  EXPECT_TRUE(silent.ended());
  EXPECT_EQ(silent.of(kPing).size(), 1u);
  EXPECT_TRUE(silent.of(kGoaway).empty());
}

// Whether what is sent after the proxy's end of the connection is met by a reset.
bool closes_hard(const std::string& options) {
  net::Loop loop;
  Proxy proxy(loop, with(options));
  Socket one(proxy.port());
  one.write("no HTTP\r\n\r\n");
  EXPECT_TRUE(one.read_all().starts_with("HTTP/1.1 400"));
  one.write("more");
  pollfd wait{.fd = one.fd(), .events = 0, .revents = 0};
  poll(&wait, 1, 3000);
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(one.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error != 0;
}

TEST(ConnectionLife, AClosingConnectionLingersAsLongAsItIsTold) {
  EXPECT_TRUE(closes_hard("delayed_close_timeout: 0s"));
  EXPECT_FALSE(closes_hard("delayed_close_timeout: 3600s"));
}

}  // namespace
}  // namespace proxy
