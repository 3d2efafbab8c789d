// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/harness.h"

namespace proxy {
namespace {

using namespace proxy::testing;

constexpr const char* kRoutes =
    "              - {match: {prefix: /free}, route: {cluster: backend}, typed_per_filter_config: "
    "{envoy.filters.http.buffer: "
    "{\"@type\": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute, disabled: true}}}\n"
    "              - {match: {prefix: /weighted}, route: {weighted_clusters: {clusters: [{name: backend, weight: 1, "
    "typed_per_filter_config: {envoy.filters.http.buffer: {\"@type\": "
    "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute, disabled: true}}}, {name: backend, "
    "weight: 0}]}}}\n"
    "              - {match: {prefix: /}, route: {cluster: backend}}\n";
constexpr const char* kBuffer =
    "{name: envoy.filters.http.buffer, typed_config: {\"@type\": "
    "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer, max_request_bytes: 1000}}\n";

class BufferOnSockets : public ::testing::Test {
 protected:
  BufferOnSockets() {
    proxy_.emplace(loop_, bootstrap_of(kRoutes, cluster_of("backend", "@backend"), "", kBuffer), backend_.port());
  }
  net::Loop loop_;
  Backend backend_{loop_};
  std::optional<Proxy> proxy_;
};

TEST_F(BufferOnSockets, ARequestOfUnknownLengthGetsOne) {
  std::string answer = raw(loop_, proxy_->port(),
                           "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
                           "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
  EXPECT_NE(answer.find("body=7"), std::string::npos) << answer;
  EXPECT_NE(answer.find("echo-content-length: 7\r\n"), std::string::npos) << answer;
}

TEST_F(BufferOnSockets, TooMuchIs413AndNothingReachesTheUpstream) {
  for (auto version : {http::Version::Http1, http::Version::Http2}) {
    http::Request request;
    request.method = "POST";
    request.body = bytes(1001);
    auto response = fetch(loop_, proxy_->port(), std::move(request), version);
    EXPECT_EQ(response.status, 413);
    EXPECT_EQ(response.body, "Payload Too Large");
  }
  EXPECT_EQ(backend_.requests, 0);
  http::Request request;
  request.method = "POST";
  request.body = bytes(1000);
  EXPECT_EQ(fetch(loop_, proxy_->port(), std::move(request), http::Version::Http2).body,
            "POST / host=127.0.0.1:" + std::to_string(proxy_->port()) + " body=1000");
}

TEST_F(BufferOnSockets, RequestsWithoutABodyAndRoutesThatSaySoPassAtOnce) {
  for (const char* path : {"/free", "/weighted"}) {
    http::Request free;
    free.method = "POST";
    free.path = path;
    free.body = bytes(100'000);
    EXPECT_TRUE(fetch(loop_, proxy_->port(), std::move(free)).body.ends_with("body=100000")) << path;
  }
  EXPECT_EQ(get(loop_, proxy_->port(), "/x").status, 200);
  EXPECT_EQ(get(loop_, proxy_->port(), "/big").body.size(), 5'000'000u);
}

}  // namespace
}  // namespace proxy
