// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <fstream>

#include "proxy/runtime/blocking_socket.h"
#include "proxy/runtime/harness.h"

// Upgrades and what becomes of their connections, with a whole proxy on sockets.
namespace proxy {
namespace {

using namespace proxy::testing;

constexpr const char* kAll = "              - {match: {prefix: /}, route: {cluster: c}}\n";

class Tunnels : public ::testing::Test {
 protected:
  const std::string upgrades_ = "          upgrade_configs: [{upgrade_type: x}]\n";
  const std::string upgrade_ = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
  const std::string switched_ = "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";
  // A filter that asks the cluster "other" while it holds the answer.
  const std::string asks_ =
      "{name: lua, typed_config: {\"@type\": type.googleapis.com/"
      "envoy.extensions.filters.http.lua.v3.Lua, default_source_code: {inline_string: "
      "'function envoy_on_response(h) local head = h:httpCall(\"other\", {[\":method\"] = \"GET\", "
      "[\":path\"] = \"/\", [\":authority\"] = \"a\"}, \"\", 5000) "
      "h:headers():add(\"seen\", head[\":status\"]) end'}}}";
  net::Loop loop_;
};

TEST_F(Tunnels, AConnectionThatSwitchedProtocolsIsNotUsedAgain) {
  const std::string plain = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
                    upgrade = "GET / HTTP/1.1\r\nhost: a\r\nupgrade: x\r\nconnection: upgrade, close\r\n\r\n";
  for (const auto& [request, answer, status] :
       {std::tuple{plain, switched_, "502"},
        std::tuple{upgrade, std::string("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), "200"}}) {
    RawServer server(answer, RawServer::Then::Waits);
    Proxy proxy(loop_, bootstrap_of(kAll, cluster_at({server.port()}, ""), upgrades_));
    EXPECT_TRUE(raw(loop_, proxy.port(), request).starts_with(std::string("HTTP/1.1 ") + status)) << status;
    EXPECT_TRUE(server.got().starts_with("GET / ")) << "and then the connection ended";
  }
}

TEST_F(Tunnels, ATunnelIsARequestThatLasts) {
  RawServer server(switched_ + "hello", RawServer::Then::Waits);
  const std::string path = ::testing::TempDir() + "tunnel_test." + std::to_string(getpid()) + ".log";
  {
    Proxy proxy(
        loop_,
        bootstrap_of(kAll, cluster_at({server.port()}, "    circuit_breakers: {thresholds: [{max_requests: 1}]}\n"),
                     upgrades_ +
                         "          access_log: [{name: l, typed_config: {\"@type\": "
                         "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: '" +
                         path +
                         "', log_format: {text_format_source: {inline_string: \"%RESPONSE_CODE% %BYTES_RECEIVED% "
                         "%BYTES_SENT%\\n\"}}}}]\n"));
    {
      Socket first(proxy.port()), second(proxy.port());
      first.write(upgrade_ + "four");
      std::string got;
      while (!got.ends_with("hello") && !first.ended()) got += first.read();
      EXPECT_TRUE(got.starts_with("HTTP/1.1 101 ")) << got;
      EXPECT_EQ(counted(proxy)["cluster.c.upstream_rq_active"], 1);
      EXPECT_EQ(counted(proxy)["cluster.c.upstream_cx_active"], 1);
      second.write(upgrade_);
      EXPECT_TRUE(second.read().starts_with("HTTP/1.1 503 "));
    }
    EXPECT_TRUE(server.got().ends_with("four"));
    for (int i = 0; i < 1000 && counted(proxy)["cluster.c.upstream_rq_active"] > 0; ++i) usleep(1000);
    EXPECT_EQ(counted(proxy)["cluster.c.upstream_rq_active"], 0);
  }
  std::ifstream file(path);
  const std::string lines{std::istreambuf_iterator<char>(file), {}};
  unlink(path.c_str());
  EXPECT_NE(lines.find("101 4 5\n"), std::string::npos) << lines;
}

TEST_F(Tunnels, WhoEndsBeforeTheSwitchTakesTheRequestBack) {
  RawServer server("", RawServer::Then::Waits);
  Proxy proxy(loop_, bootstrap_of(kAll, cluster_at({server.port()}, ""), upgrades_));
  Socket client(proxy.port());
  client.write(upgrade_);
  for (int i = 0; i < 1000 && counted(proxy)["cluster.c.upstream_rq_active"] == 0; ++i) usleep(1000);
  EXPECT_EQ(counted(proxy)["cluster.c.upstream_rq_active"], 1);
  ::shutdown(client.fd(), SHUT_WR);
  EXPECT_EQ(client.read_all(), "");
  EXPECT_TRUE(server.got().starts_with("GET / ")) << "and then the connection ended";
}

TEST_F(Tunnels, TheTimeForARequestIsNotATunnels) {
  RawServer server(switched_, RawServer::Then::Waits);
  Proxy proxy(loop_,
              bootstrap_of(kAll, cluster_at({server.port()}, ""), upgrades_ + "          request_timeout: 0.1s\n"));
  {
    Socket client(proxy.port());
    client.write(upgrade_);
    EXPECT_TRUE(client.read().starts_with("HTTP/1.1 101 "));
    usleep(400'000);
    client.write("late");
  }
  EXPECT_TRUE(server.got().ends_with("late"));
}

TEST_F(Tunnels, AConnectionThatEndsBeforeItsSettingsEndsWhoWaitsForThem) {
  for (const char* answer : {"", "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"}) {
    RawServer server(answer);
    Proxy proxy(loop_, bootstrap_of(kAll, cluster_at({server.port()}, "    http2_protocol_options: {}\n"), upgrades_));
    Socket client(proxy.port());
    client.write(upgrade_);
    EXPECT_TRUE(client.read().starts_with(*answer ? "HTTP/1.1 502 " : "HTTP/1.1 503 "));
    EXPECT_EQ(counted(proxy)["cluster.c.upstream_cx_total"], 1);
  }
}

TEST_F(Tunnels, AFilterMayHoldTheSwitch) {
  Backend asked(loop_);
  RawServer server(switched_ + "hello");
  Proxy proxy(loop_,
              bootstrap_of(kAll, cluster_at({server.port()}, "") + cluster_of("other", std::to_string(asked.port())),
                           upgrades_, asks_));
  const std::string answer = raw(loop_, proxy.port(), upgrade_);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 101 ")) << answer;
  EXPECT_NE(answer.find("\r\nseen: 200\r\n"), std::string::npos) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\nhello")) << answer;
}

TEST_F(Tunnels, TheUpstreamMayEndWhileAFilterHoldsTheSwitch) {
  auto slowly = [&](std::shared_ptr<http::Exchange> exchange) -> net::Task<void> {
    co_await net::sleep(loop_, std::chrono::milliseconds(200));
    exchange->respond(200, "");
  };
  http::Server asked(loop_, slowly);
  auto agrees = [](std::shared_ptr<http::Exchange> exchange) -> net::Task<void> {
    exchange->respond(200, "");
    co_return;
  };
  auto tunnels = std::make_unique<http::Server>(loop_, agrees);
  const auto any = *net::Address::parse("127.0.0.1", 0);
  const std::string to = std::to_string(tunnels->listen(any)->port());
  const std::string other = cluster_of("other", std::to_string(asked.listen(any)->port()));
  Proxy proxy(loop_, bootstrap_of("              - {match: {connect_matcher: {}}, route: {cluster: c}}\n",
                                  cluster_at({to}, "    http2_protocol_options: {}\n") + other,
                                  "          upgrade_configs: [{upgrade_type: CONNECT}]\n", asks_));
  auto end = [&]() -> net::Task<void> {
    co_await net::sleep(loop_, std::chrono::milliseconds(100));
    tunnels.reset();
  };
  net::spawn(end());
  const std::string answer = raw(loop_, proxy.port(), "CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\nfour");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
  EXPECT_NE(answer.find("\r\nseen: 200\r\n"), std::string::npos) << answer;
}

}  // namespace
}  // namespace proxy
