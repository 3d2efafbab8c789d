// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/fault.h"
#include "proxy/runtime/harness.h"

namespace proxy::testing {
namespace {

constexpr const char* kAbort =
    R"({"@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, abort: {http_status: 418, percentage: {numerator: 100}}})";
std::string config_of(const std::string& more) {
  std::string out = R"({"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig)";
  return out.append(more).append("}");
}

std::string filter(const std::string& name, const std::string& more = "") {
  return "{name: " + name + ", " + more + "typed_config: " + kAbort + "}\n";
}
std::string route(const std::string& path, const std::string& policies) {
  return "              - {match: {prefix: " + path + "}, direct_response: {status: 200}, typed_per_filter_config: {" +
         policies + "}}\n";
}

TEST(FilterPolicies, ARouteTurnsAFilterOffAndAnotherOnByItsName) {
  net::Loop loop;
  std::string off = config_of(", disabled: true"), on = config_of("");
  Proxy proxy(loop,
              bootstrap_of(route("/plain", "") + route("/off", "first: " + off) +
                               route("/on", "first: " + off + ", second: " + on) + route("/other", "third: " + off),
                           "", "", filter("first") + filter("second", "disabled: true, ")));
  EXPECT_EQ(get(loop, proxy.port(), "/plain").status, 418);
  EXPECT_EQ(get(loop, proxy.port(), "/off").status, 200);
  EXPECT_EQ(get(loop, proxy.port(), "/on").status, 418);
  EXPECT_EQ(get(loop, proxy.port(), "/other").status, 418);
}

TEST(FilterPolicies, APolicyWrappedInAFilterConfigCountsAsItself) {
  net::Loop loop;
  std::string teapot = config_of(", config: " + std::string(kAbort));
  std::string none = R"({"@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault})";
  Proxy proxy(loop, bootstrap_of(route("/a", "x: " + teapot) + route("/b", "x: " + none), "", "",
                                 "{name: x, typed_config: " + none + "}"));
  EXPECT_EQ(get(loop, proxy.port(), "/a").status, 418);
  EXPECT_EQ(get(loop, proxy.port(), "/b").status, 200);
}

TEST(FilterPolicies, WhatAFilterAnswersCarriesTheHeadersOfARouteThatForwards) {
  net::Loop loop;
  auto table = [](const std::string& action) {
    return "              - {match: {prefix: /}, " + action +
           ", response_headers_to_add: [{header: {key: x-route, value: \"%PROTOCOL%\"}}]}\n";
  };
  const std::string direct = table("direct_response: {status: 200}"), forwards = table("route: {cluster: c}");
  Proxy open(loop, bootstrap_of(direct, "")), closed(loop, bootstrap_of(direct, "", "", filter("x"))),
      between(loop, bootstrap_of(forwards, cluster_of("c", "1"), "", filter("x")));
  EXPECT_TRUE(get(loop, open.port(), "/").headers.contains("x-route"));
  auto answer = get(loop, closed.port(), "/");
  EXPECT_EQ(answer.status, 418);
  EXPECT_FALSE(answer.headers.contains("x-route"));
  answer = get(loop, between.port(), "/");
  EXPECT_EQ(answer.status, 418);
  EXPECT_EQ(answer.headers.get("x-route"), "HTTP/1.1");
}

TEST(FilterPolicies, WhatAFilterAnswersPassesThoseBehindItToo) {
  net::Loop loop;
  auto lua = [](const std::string& name, const std::string& more = "") {
    return "{name: " + name + ", " + more +
           "typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua, "
           "default_source_code: {inline_string: \"function envoy_on_response(h) h:headers():add('x-seen', '" +
           name + "') end\"}}}\n";
  };
  Proxy proxy(loop, bootstrap_of(route("/", "quiet: " + config_of(", disabled: true")), "", "",
                                 lua("first") + filter("x") + lua("quiet") + lua("last")));
  auto answer = get(loop, proxy.port(), "/");
  EXPECT_EQ(answer.status, 418);
  EXPECT_EQ(answer.headers.joined("x-seen"), "last,first");
  const std::string refused = raw(loop, proxy.port(), "GET / HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n");
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 400 ")) << refused;
}

TEST(FilterPolicies, AnUnknownPolicyIsRefusedUnlessItIsOptional) {
  net::Loop loop;
  std::string unknown = R"({"@type": type.googleapis.com/envoy.config.route.v3.Decorator})";
  auto starts = [&](const std::string& policy) {
    auto bootstrap = parse_bootstrap(bootstrap_of(route("/", "x: " + policy), ""));
    EXPECT_TRUE(bootstrap);
    Process process(loop, ProcessOptions{.concurrency = 1}, std::move(*bootstrap));
    return process.start().has_value();
  };
  EXPECT_FALSE(starts(unknown));
  EXPECT_TRUE(starts(config_of(", is_optional: true, config: " + unknown)));
}

std::string fault(const std::string& what) {
  return R"({name: x, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, )" +
         what + "}}";
}
constexpr const char* kEvery = "percentage: {numerator: 100}";

TEST(Fault, ASlowBodyGoesInTwentySlicesASecondAndSavesUpOneSecond) {
  using namespace std::chrono_literals;
  net::Clock::time_point now{};
  SlowBody slow(20, now);  // KiB a second
  EXPECT_EQ(slow.take(5000, now), 1024);
  EXPECT_EQ(slow.take(3976, now), 0);
  EXPECT_EQ(slow.until_next(now + 20ms), 30ms);
  EXPECT_EQ(slow.take(3976, now + 100ms), 2048);
  EXPECT_EQ(slow.take(900, now + 150ms), 900);
  EXPECT_EQ(slow.take(100'000, now + 1h), 20 * 1024);
}

TEST(Fault, AResponseIsSlowedToItsRateAndArrivesWhole) {
  net::Loop loop;
  Backend backend(loop);
  Proxy proxy(
      loop,
      bootstrap_of("              - {match: {prefix: /}, route: {cluster: app}}\n", cluster_of("app", "@backend"), "",
                   fault(std::string("response_rate_limit: {header_limit: {}, ") + kEvery + "}")),
      backend.port());
  http::Request request;
  request.path = "/big";
  request.headers.add("x-envoy-fault-throughput-response", "4000");
  const auto began = net::Clock::now();
  EXPECT_EQ(fetch(loop, proxy.port(), std::move(request)).body, std::string(5'000'000, 'x'));
  // 4,096,000 bytes a second, of which at most one second's may be saved up.
  EXPECT_GE(net::Clock::now() - began, std::chrono::milliseconds(150));
  EXPECT_EQ(get(loop, proxy.port(), "/big").body.size(), 5'000'000);
}

TEST(Fault, OnlyRequestsOfTheNamedNodesAndSoManyAtATimeAreHurt) {
  net::Loop loop;
  std::string abort = std::string("abort: {http_status: 418, ") + kEvery + "}";
  auto with = [&](const std::string& more) { return bootstrap_of(route("/", ""), "", "", fault(abort + more)); };
  Proxy nodes(loop, with(", downstream_nodes: [a, b]"));
  http::Request request;
  request.headers.add("x-envoy-downstream-service-node", "b");
  EXPECT_EQ(fetch(loop, nodes.port(), request).status, 418);
  request.headers.set("x-envoy-downstream-service-node", "c");
  EXPECT_EQ(fetch(loop, nodes.port(), request).status, 200);
  EXPECT_EQ(get(loop, nodes.port(), "/").status, 200);

  Proxy none(loop, with(", max_active_faults: 0")), one(loop, with(", max_active_faults: 1"));
  EXPECT_EQ(get(loop, none.port(), "/").status, 200);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(get(loop, one.port(), "/").status, 418);  // those before have ended
}

}  // namespace
}  // namespace proxy::testing
