// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/token_bucket.h"
#include "proxy/runtime/harness.h"

namespace proxy {
namespace {

using namespace proxy::testing;
using namespace std::chrono_literals;

TEST(TokenBuckets, FillContinuouslyUpToTheirMost) {
  TokenBucket bucket({.most = 3, .per_second = 0.5});
  TokenBucket::Time now{100s};
  EXPECT_TRUE(bucket.take(2, now));
  EXPECT_EQ(bucket.left(now), 1u);
  EXPECT_FALSE(bucket.take(2, now));  // all or none
  EXPECT_TRUE(bucket.take(1, now));
  EXPECT_EQ(bucket.wait(now), 2u);
  EXPECT_FALSE(bucket.take(1, now + 1s));
  EXPECT_TRUE(bucket.take(1, now + 2s));
  EXPECT_EQ(bucket.left(now + 1000s), 3u);
}

class LimitsOnSockets : public ::testing::Test {
 protected:
  std::string bootstrap(const std::string& filters, const std::string& routes = "") {
    return bootstrap_of(
        routes +
            "              - {match: {prefix: /}, route: {cluster: backend, rate_limits: [{actions: [{request_headers: "
            "{header_name: x-user, descriptor_key: user}}]}]}}\n",
        cluster_of("backend", "@backend"), "", filters);
  }
  static std::string local(const std::string& more) {
    return "{name: lrl, typed_config: {\"@type\": "
           "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit, "
           "stat_prefix: lrl, filter_enabled: {default_value: {numerator: 100}}, filter_enforced: {default_value: "
           "{numerator: 100}}, " +
           more + "}}\n";
  }
  http::Response ask(Proxy& proxy, std::string user = "") {
    http::Request request;
    if (!user.empty()) request.headers.add("x-user", user);
    return fetch(loop_, proxy.port(), std::move(request));
  }
  net::Loop loop_;
  Backend backend_{loop_};
};

TEST_F(LimitsOnSockets, ABucketIsSharedByAllConnectionsAndTellsWhatIsLeft) {
  Proxy proxy(loop_,
              bootstrap(local(
                  "token_bucket: {max_tokens: 2, fill_interval: 1000s}, enable_x_ratelimit_headers: DRAFT_VERSION_03, "
                  "response_headers_to_add: [{header: {key: x-limited, value: local}}]")),
              backend_.port());
  auto first = ask(proxy);
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.headers.get("x-ratelimit-limit"), "2");
  EXPECT_EQ(first.headers.get("x-ratelimit-remaining"), "1");
  EXPECT_EQ(ask(proxy).status, 200);
  auto refused = ask(proxy);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.body, "local_rate_limited");
  EXPECT_EQ(refused.headers.get("x-limited"), "local");
  EXPECT_EQ(refused.headers.get("x-ratelimit-remaining"), "0");
  EXPECT_EQ(refused.headers.get("x-ratelimit-reset"), "1000");
  EXPECT_EQ(backend_.requests, 2);
  auto counted = proxy.process().scrape().prometheus();
  EXPECT_NE(counted.find("envoy_http_local_rate_limit_enforced{envoy_local_http_ratelimit_prefix=\"lrl\"} 1"),
            std::string::npos)
      << counted;
}

TEST_F(LimitsOnSockets, DescriptorsHaveBucketsOfTheirOwn) {
  Proxy proxy(
      loop_,
      bootstrap(local(
          "token_bucket: {max_tokens: 100, fill_interval: 1000s}, descriptors: [{entries: [{key: user, value: ann}], "
          "token_bucket: {max_tokens: 1, fill_interval: 1000s}}]")),
      backend_.port());
  EXPECT_EQ(ask(proxy, "ann").status, 200);
  EXPECT_EQ(ask(proxy, "ann").status, 429);
  EXPECT_EQ(ask(proxy, "bob").status, 200);
  EXPECT_EQ(ask(proxy).status, 200);
}

TEST_F(LimitsOnSockets, ARouteMayHaveItsOwnAndAConnectionToo) {
  std::string own =
      "              - {match: {prefix: /own}, route: {cluster: backend}, typed_per_filter_config: {lrl: {\"@type\": "
      "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit, stat_prefix: own, "
      "status: {code: 503}, token_bucket: {max_tokens: 1, fill_interval: 1000s}, "
      "filter_enabled: {default_value: {numerator: 100}}, filter_enforced: {default_value: {numerator: 100}}}}}\n";
  Proxy proxy(
      loop_,
      bootstrap(
          local(
              "token_bucket: {max_tokens: 1, fill_interval: 1000s}, local_rate_limit_per_downstream_connection: true"),
          own),
      backend_.port());
  EXPECT_EQ(ask(proxy).status, 200);
  EXPECT_EQ(ask(proxy).status, 200);  // another connection
  std::string twice = raw(loop_, proxy.port(),
                          "GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  EXPECT_NE(twice.find("HTTP/1.1 200"), std::string::npos);
  EXPECT_NE(twice.find("HTTP/1.1 429"), std::string::npos) << twice;
  EXPECT_EQ(get(loop_, proxy.port(), "/own").status, 200);
  EXPECT_EQ(get(loop_, proxy.port(), "/own").status, 503);
}

TEST_F(LimitsOnSockets, ConnectionsAreLimitedByNumberAndByRate) {
  std::string text = bootstrap("");
  size_t at = text.find("      - name: envoy.filters.network.http_connection_manager");
  std::string rate = text, number = text;
  rate.insert(at,
              "      - {name: rate, typed_config: {\"@type\": "
              "type.googleapis.com/envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit, "
              "stat_prefix: net, token_bucket: {max_tokens: 1, fill_interval: 1000s}}}\n");
  number.insert(at,
                "      - {name: number, typed_config: {\"@type\": "
                "type.googleapis.com/envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit, "
                "stat_prefix: net, max_connections: 1}}\n");
  const std::string request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
  Proxy by_rate(loop_, rate, backend_.port());
  EXPECT_TRUE(raw(loop_, by_rate.port(), request).starts_with("HTTP/1.1 200"));
  EXPECT_EQ(raw(loop_, by_rate.port(), request), "");
  Proxy by_number(loop_, number, backend_.port());
  http::ClientOptions options{.host = "127.0.0.1", .port = by_number.port()};
  http::Client keeps(loop_, std::move(options));
  http::Request first;
  ASSERT_TRUE(net::run_to_end(loop_, keeps.fetch(std::move(first))));  // and its connection stays
  EXPECT_EQ(raw(loop_, by_number.port(), request), "");
}

}  // namespace
}  // namespace proxy
