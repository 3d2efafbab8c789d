// SPDX-License-Identifier: Apache-2.0
#include "proxy/admin/dump.h"
#include "proxy/runtime/harness.h"
#include "proxy/runtime/options.h"

// How a proxy tells its peers to go: by an operator's word, and at the end.
namespace proxy {
namespace {

using namespace proxy::testing;

class Drains : public ::testing::Test {
 protected:
  std::string inbound(const std::string& direction = "INBOUND") {
    std::string out = bootstrap_of(
        "              - {match: {prefix: /}, direct_response: {status: 200, body: {inline_string: hi}}}\n",
        cluster_of("dead", "1"), "",
        R"({name: envoy.filters.http.health_check, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck, pass_through_mode: false, headers: [{name: ":path", string_match: {exact: /hc}}]}})");
    out.insert(out.find("    filter_chains:"), "    traffic_direction: " + direction + "\n");
    return out;
  }
  // Two requests on one connection: the proxy answers both where it keeps the connection.
  std::string twice(Proxy& proxy, const std::string& path = "/x") {
    return raw(loop_, proxy.port(),
               "GET " + path + " HTTP/1.1\r\nhost: a\r\n\r\nGET /y HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  }
  static size_t answers(const std::string& text) {
    size_t out = 0;
    for (size_t at = 0; (at = text.find("HTTP/1.1 ", at)) != text.npos; ++at) ++out;
    return out;
  }
  static net::Task<void> until_nobody_listens(net::Loop& loop, const Process& process) {
    while (!process.listening_sockets().empty()) co_await net::sleep(loop, std::chrono::milliseconds(1));
  }
  net::Loop loop_;
};

TEST_F(Drains, AnUnwellProxyFailsHealthChecksAndLetsConnectionsGoUntilItIsWellAgain) {
  Proxy proxy(loop_, inbound());
  proxy.process().set_unwell(true);
  EXPECT_EQ(proxy.process().not_ready(), "DRAINING");
  EXPECT_EQ(server_info(proxy.process())["state"], "DRAINING");
  auto check = get(loop_, proxy.port(), "/hc");
  EXPECT_EQ(check.status, 503);
  EXPECT_EQ(check.headers.get("x-envoy-immediate-health-check-fail"), "true");
  auto other = twice(proxy);
  EXPECT_EQ(answers(other), 1u) << other;
  EXPECT_NE(other.find("connection: close"), std::string::npos);
  EXPECT_NE(other.find("x-envoy-immediate-health-check-fail: true"), std::string::npos);
  auto scrape = proxy.process().scrape().prometheus();
  EXPECT_NE(scrape.find("envoy_http_downstream_cx_drain_close{envoy_http_conn_manager_prefix=\"main\"} 2"),
            scrape.npos);

  proxy.process().set_unwell(false);
  EXPECT_EQ(get(loop_, proxy.port(), "/hc").status, 200);
  EXPECT_EQ(answers(twice(proxy)), 2u);
  EXPECT_EQ(server_info(proxy.process())["state"], "LIVE");
}

TEST_F(Drains, AGracefulDrainAcceptsUntilItsTimeIsOverAndAsksEveryResponsesConnectionToClose) {
  Proxy proxy(loop_, inbound());
  proxy.process().drain_listeners({.only_inbound = true, .gracefully = true});
  EXPECT_EQ(answers(twice(proxy)), 1u);
  EXPECT_FALSE(proxy.process().listening_sockets().empty());
  proxy.process().drain_listeners({});
  EXPECT_TRUE(proxy.process().listening_sockets().empty());

  Proxy hasty(loop_, inbound(), 0, {.drain_time = std::chrono::milliseconds(1)});
  hasty.process().drain_listeners({.gracefully = true, .keep_listening = true});
  EXPECT_EQ(answers(twice(hasty)), 1u);
  EXPECT_FALSE(hasty.process().listening_sockets().empty());
  hasty.process().drain_listeners({.gracefully = true});
  net::run_to_end(loop_, until_nobody_listens(loop_, hasty.process()));
}

TEST_F(Drains, OnlyInboundListenersDrainWhereThatIsAskedFor) {
  Proxy proxy(loop_, inbound("OUTBOUND"));
  proxy.process().drain_listeners({.only_inbound = true});
  EXPECT_EQ(answers(twice(proxy)), 2u);
  EXPECT_FALSE(proxy.process().listening_sockets().empty());
}

TEST(Options, RequestsMayTakeAsLongAsConnectionsThatDrainWhenTheProcessEnds) {
  auto parsed = Options::parse({"-c", "x", "--drain-time-s", "7"});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->process.exit_drain, std::chrono::seconds(7));
}

}  // namespace
}  // namespace proxy
