// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/harness.h"

namespace proxy::testing {
namespace {

constexpr const char* kAbort =
    R"({"@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, abort: {http_status: 418, percentage: {numerator: 100}}})";
constexpr const char* kConfig = R"("@type": type.googleapis.com/envoy.config.route.v3.FilterConfig)";

std::string filter(const std::string& name, const std::string& more = "") {
  return "{name: " + name + ", " + more + "typed_config: " + kAbort + "}\n";
}
std::string route(const std::string& path, const std::string& policies) {
  return "              - {match: {prefix: " + path + "}, direct_response: {status: 200}, typed_per_filter_config: {" +
         policies + "}}\n";
}

TEST(FilterPolicies, ARouteTurnsAFilterOffAndAnotherOnByItsName) {
  net::Loop loop;
  std::string off = std::string("{") + kConfig + ", disabled: true}", on = std::string("{") + kConfig + "}";
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
  std::string teapot = std::string("{") + kConfig + ", config: " + kAbort + "}";
  std::string none = R"({"@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault})";
  Proxy proxy(loop, bootstrap_of(route("/a", "x: " + teapot) + route("/b", "x: " + none), "", "",
                                 "{name: x, typed_config: " + none + "}"));
  EXPECT_EQ(get(loop, proxy.port(), "/a").status, 418);
  EXPECT_EQ(get(loop, proxy.port(), "/b").status, 200);
}

TEST(FilterPolicies, WhatAFilterAnswersCarriesNoneOfTheRoutesHeaders) {
  net::Loop loop;
  std::string route =
      "              - {match: {prefix: /}, direct_response: {status: 200}, response_headers_to_add: "
      "[{header: {key: x-route, value: \"%PROTOCOL%\"}}]}\n";
  Proxy open(loop, bootstrap_of(route, "")), closed(loop, bootstrap_of(route, "", "", filter("x")));
  EXPECT_TRUE(get(loop, open.port(), "/").headers.contains("x-route"));
  auto answer = get(loop, closed.port(), "/");
  EXPECT_EQ(answer.status, 418);
  EXPECT_FALSE(answer.headers.contains("x-route"));
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
  EXPECT_TRUE(starts(std::string("{") + kConfig + ", is_optional: true, config: " + unknown + "}"));
}

}  // namespace
}  // namespace proxy::testing
