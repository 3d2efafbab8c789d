// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/handover.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <set>

#include "net/listener.h"
#include "proxy/runtime/harness.h"

namespace proxy {
namespace {

using namespace proxy::testing;

// A process as it connects to be the successor, and says what the test wants.
class Stranger {
 public:
  explicit Stranger(uint32_t base_id) : fd_(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    const auto address = net::Address::unix_path("@seine-proxy-" + std::to_string(base_id) + "-0");
    EXPECT_EQ(connect(fd_, address.data(), address.size()), 0);
  }
  ~Stranger() { close(fd_); }
  void say(std::string_view text) {
    EXPECT_EQ(send(fd_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  struct Heard {
    std::string text;
    size_t sockets = 0;
    bool gone = false;
  };
  // The next message.
  net::Task<Heard> hear(net::Loop& loop) {
    char text[256];
    alignas(cmsghdr) char control[1024];
    for (int i = 0; i < 4000; ++i) {
      iovec part{text, sizeof text};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      const ssize_t size = recvmsg(fd_, &message, MSG_CMSG_CLOEXEC);
      if (size >= 0) {
        Heard out{.text = std::string(text, static_cast<size_t>(size)), .gone = size == 0};
        for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
          out.sockets = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
          for (size_t at = 0; at < out.sockets; ++at) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(header) + at * sizeof fd, sizeof fd);
            close(fd);
          }
        }
        co_return out;
      }
      co_await net::sleep(loop, std::chrono::milliseconds(5));
    }
    co_return Heard{.text = "nothing"};
  }

 private:
  const int fd_;
};

class HandoverTest : public ::testing::Test {
 protected:
  std::unique_ptr<Handover> serve(Process& process) {
    auto out = Handover::make(loop_, {.base_id = base_id_});
    EXPECT_TRUE(out);
    (*out)->serve(process, [] {});
    return std::move(*out);
  }
  Stranger::Heard hear(Stranger& stranger) { return net::run_to_end(loop_, stranger.hear(loop_)); }
  void rest(std::chrono::milliseconds how_long) { net::run_to_end(loop_, net::sleep(loop_, how_long)); }
  bool admin_answers(const Process& process) {
    return raw(loop_, process.admin_address().port(), "GET /ready HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .starts_with("HTTP/1.1 200");
  }
  static std::string bootstrap(size_t more_listeners) {
    std::string out = "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}\n" +
                      bootstrap_of("              - {match: {prefix: /}, direct_response: {status: 200}}\n", "");
    std::string listeners;
    for (size_t i = 0; i < more_listeners; ++i)
      listeners += "  - name: l" + std::to_string(i) + R"(
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains: [{filters: [{name: t, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: none}}]}]
)";
    out.insert(out.find("  - name: main"), listeners);
    return out;
  }
  net::Loop loop_;
  const uint32_t base_id_ = static_cast<uint32_t>(getpid());
};

TEST_F(HandoverTest, EverySocketArrivesHoweverLateTheSuccessorReads) {
  constexpr size_t kListeners = 450;
  Proxy proxy(loop_, bootstrap(kListeners));
  auto handover = serve(proxy.process());
  Stranger successor(base_id_);
  successor.say("sockets");
  rest(std::chrono::milliseconds(300));
  EXPECT_EQ(get(loop_, proxy.port(), "/").status, 200);
  std::set<std::string> addresses;
  size_t sockets = 0;
  auto heard = hear(successor);
  for (; heard.sockets; heard = hear(successor)) {
    addresses.insert(heard.text);
    sockets += heard.sockets;
  }
  EXPECT_EQ(heard.text,
            "since " + std::to_string(std::chrono::nanoseconds(proxy.process().started().time_since_epoch()).count()));
  EXPECT_EQ(hear(successor).text, "done");
  EXPECT_EQ(addresses.size(), kListeners + 1);
  EXPECT_EQ(sockets, 2 * (kListeners + 1)) << "one a worker";
}

TEST_F(HandoverTest, ASuccessorThatEndsTooSoonGivesTheAdminPortBack) {
  Proxy proxy(loop_, bootstrap(0));
  auto handover = serve(proxy.process());
  const net::Address admin = proxy.process().admin_address();
  ASSERT_TRUE(admin_answers(proxy.process()));
  {
    Stranger successor(base_id_);
    successor.say("admin");
    EXPECT_EQ(hear(successor).text, "done");
    EXPECT_FALSE(admin_answers(proxy.process()));
  }
  rest(std::chrono::milliseconds(50));
  EXPECT_TRUE(admin_answers(proxy.process()));
  auto successor = std::make_unique<Stranger>(base_id_);
  successor->say("admin");
  EXPECT_EQ(hear(*successor).text, "done");
  // The port of one that was killed is free a little later than its connection ends.
  auto its = net::Listener::listen(loop_, admin, [](int fd, const net::Address&) { close(fd); });
  ASSERT_TRUE(its);
  successor.reset();
  rest(std::chrono::milliseconds(50));
  EXPECT_FALSE(admin_answers(proxy.process()));
  its->reset();
  rest(std::chrono::milliseconds(500));
  EXPECT_TRUE(admin_answers(proxy.process()));
}

TEST_F(HandoverTest, OneThatConnectsAndStaysSilentIsInNobodysWay) {
  Proxy proxy(loop_, bootstrap(0));
  auto handover = serve(proxy.process());
  Stranger silent(base_id_);
  rest(std::chrono::milliseconds(20));
  Stranger successor(base_id_);
  successor.say("admin");
  EXPECT_EQ(hear(successor).text, "done");
  EXPECT_TRUE(hear(silent).gone);
  EXPECT_TRUE(hear(successor).gone) << "it asks for no sockets";
  rest(std::chrono::milliseconds(20));
  EXPECT_TRUE(admin_answers(proxy.process()));
}

}  // namespace
}  // namespace proxy
