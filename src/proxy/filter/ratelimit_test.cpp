// SPDX-License-Identifier: Apache-2.0
#include "envoy/service/ratelimit/v3/rls.pb.h"
#include "http/grpc.h"
#include "proxy/runtime/harness.h"

namespace proxy {
namespace {

using namespace proxy::testing;
namespace rls = envoy::service::ratelimit::v3;

// Limits user "ann", remembers what it was asked.
struct Service {
  explicit Service(net::Loop& loop)
      : server(loop, [this](std::shared_ptr<http::Exchange> exchange) { return serve(*this, std::move(exchange)); }) {
    auto bound = server.listen(*net::Address::parse("127.0.0.1", 0));
    EXPECT_TRUE(bound);
    port = bound->port();
  }
  static net::Task<void> serve(Service& self, std::shared_ptr<http::Exchange> exchange) {
    http::grpc::ServerCall call(exchange);
    auto message = co_await call.read();
    if (!message || !*message) co_return;
    self.asked.ParseFromString(**message);
    bool limited = self.asked.ShortDebugString().find("ann") != std::string::npos;
    rls::RateLimitResponse verdict;
    verdict.set_overall_code(limited ? rls::RateLimitResponse::OVER_LIMIT : rls::RateLimitResponse::OK);
    auto& header = *verdict.add_response_headers_to_add();
    header.set_key("x-from-service");
    header.set_value("yes");
    auto& forward = *verdict.add_request_headers_to_add();
    forward.set_key(self.forwarded);
    forward.set_value("1");
    auto& status = *verdict.add_statuses();
    status.mutable_current_limit()->set_requests_per_unit(10);
    status.mutable_current_limit()->set_unit(rls::RateLimitResponse::RateLimit::MINUTE);
    status.set_limit_remaining(limited ? 0 : 9);
    auto written = co_await call.write(verdict.SerializeAsString());
    if (written) call.finish();
  }
  http::Server server;
  uint16_t port = 0;
  rls::RateLimitRequest asked;
  std::string forwarded = "x-checked";
};

std::string bootstrap(uint16_t service, const std::string& more) {
  return bootstrap_of(
      "              - {match: {prefix: /free}, route: {cluster: backend}}\n"
      "              - {match: {prefix: /}, route: {cluster: backend, rate_limits: [{actions: [{destination_cluster: "
      "{}}, {generic_key: "
      "{descriptor_value: shop}}, {request_headers: {header_name: x-user, descriptor_key: user}}, {remote_address: "
      "{}}]}]}}\n",
      cluster_of("backend", "@backend") +
          cluster_of("limits", std::to_string(service),
                     "    typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: "
                     "{\"@type\": "
                     "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, "
                     "explicit_http_config: {http2_protocol_options: {}}}}\n"),
      "",
      "{name: rl, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit, "
      "domain: d, timeout: 5s, "
      "enable_x_ratelimit_headers: DRAFT_VERSION_03, rate_limit_service: {transport_api_version: V3, grpc_service: "
      "{envoy_grpc: {cluster_name: limits}}}" +
          more + "}}\n");
}

http::Response ask(net::Loop& loop, Proxy& proxy, const std::string& user) {
  http::Request request;
  if (!user.empty()) request.headers.add("x-user", user);
  return fetch(loop, proxy.port(), std::move(request));
}

TEST(GlobalRateLimit, TheServiceDecides) {
  net::Loop loop;
  Backend backend(loop);
  Service service(loop);
  Proxy proxy(loop, bootstrap(service.port, ""), backend.port());
  auto passed = ask(loop, proxy, "bob");
  EXPECT_EQ(passed.status, 200);
  EXPECT_EQ(passed.headers.get("x-from-service"), "yes");
  EXPECT_EQ(passed.headers.get("echo-x-checked"), "1");
  EXPECT_EQ(passed.headers.get("x-ratelimit-limit"), "10, 10;w=60");
  ASSERT_EQ(service.asked.descriptors_size(), 1);
  EXPECT_EQ(service.asked.domain(), "d");
  std::string entries;
  for (const auto& entry : service.asked.descriptors(0).entries()) entries += entry.key() + "=" + entry.value() + " ";
  EXPECT_EQ(entries, "destination_cluster=backend generic_key=shop user=bob remote_address=127.0.0.1 ");

  auto limited = ask(loop, proxy, "ann");
  EXPECT_EQ(limited.status, 429);
  EXPECT_EQ(limited.headers.get("x-envoy-ratelimited"), "true");
  EXPECT_EQ(limited.headers.get("x-ratelimit-remaining"), "0");
  EXPECT_EQ(backend.requests, 1);

  service.asked.Clear();
  EXPECT_EQ(ask(loop, proxy, "").status, 200);  // one action has nothing to say: no question
  EXPECT_EQ(get(loop, proxy.port(), "/free").status, 200);
  EXPECT_TRUE(service.asked.domain().empty());
}

TEST(GlobalRateLimit, AnAnswerWithHeadersThatAreNoneIsNone) {
  net::Loop loop;
  Backend backend(loop);
  Service service(loop);
  Proxy open(loop, bootstrap(service.port, ""), backend.port()),
      closed(loop, bootstrap(service.port, ", failure_mode_deny: true"), backend.port());
  for (const char* name : {"transfer-encoding: chunked", "transfer-encoding:chunked", "x y", ":path", ""}) {
    service.forwarded = name;
    EXPECT_EQ(ask(loop, closed, "bob").status, 500) << name;
    EXPECT_EQ(ask(loop, open, "ann").status, 200) << name;
  }
}

TEST(GlobalRateLimit, WithoutTheServiceRequestsPassUnlessTheyMustNot) {
  net::Loop loop;
  Backend backend(loop);
  Proxy open(loop, bootstrap(1, ""), backend.port()),
      closed(loop, bootstrap(1, ", failure_mode_deny: true"), backend.port());
  EXPECT_EQ(ask(loop, open, "ann").status, 200);
  EXPECT_EQ(ask(loop, closed, "ann").status, 500);
}

}  // namespace
}  // namespace proxy
