// SPDX-License-Identifier: Apache-2.0
#include "proxy/route/route.h"

#include <gtest/gtest.h>

#include "proxy/runtime/compile.h"
#include "proxy/runtime/json.h"

namespace proxy {
namespace {

// A RouteConfiguration as YAML, compiled.
std::shared_ptr<const RouteTable> table_of(const std::string& yaml) {
  static Slots slots;
  static LogFiles logs;
  auto message = message_of<envoy::config::route::v3::RouteConfiguration>(yaml);
  EXPECT_TRUE(message) << message.error().message;
  auto table = (Compiler{slots, logs}.route_table(*message));
  EXPECT_TRUE(table) << table.error().message;
  return *table;
}

http::RequestHead get(std::string authority, std::string path) {
  http::RequestHead head;
  head.authority = std::move(authority);
  head.path = std::move(path);
  return head;
}

std::string chosen(const RouteTable& table, const http::RequestHead& request) {
  Chosen found = choose(table, request, {});
  return found.route ? found.route->name : found.host ? "host " + found.host->name : "none";
}

TEST(Routes, TheMostSpecificDomainOfARequestCounts) {
  auto table = table_of(R"(
    name: r
    ignore_port_in_host_matching: true
    virtual_hosts:
    - {name: any, domains: ["*"], routes: [{name: any, match: {prefix: /}, direct_response: {status: 200}}]}
    - {name: suffix, domains: ["*.example.com"], routes: [{name: suffix, match: {prefix: /}, direct_response: {status: 200}}]}
    - {name: longer, domains: ["*.api.example.com"], routes: [{name: longer, match: {prefix: /}, direct_response: {status: 200}}]}
    - {name: prefix, domains: ["www.*"], routes: [{name: prefix, match: {prefix: /}, direct_response: {status: 200}}]}
    - {name: exact, domains: [www.example.com, 10.0.0.1], routes: [{name: exact, match: {prefix: /}, direct_response: {status: 200}}]}
  )");
  EXPECT_EQ(chosen(*table, get("www.example.com", "/")), "exact");
  EXPECT_EQ(chosen(*table, get("WWW.Example.com:8080", "/")), "exact");
  EXPECT_EQ(chosen(*table, get("10.0.0.1:5000", "/")), "exact");
  EXPECT_EQ(chosen(*table, get("a.example.com", "/")), "suffix");
  EXPECT_EQ(chosen(*table, get("a.api.example.com", "/")), "longer");
  EXPECT_EQ(chosen(*table, get("www.other.org", "/")), "prefix");
  EXPECT_EQ(chosen(*table, get(".example.com", "/")), "any") << "the star stands for at least one character";
  EXPECT_EQ(chosen(*table, get("[::1]:80", "/")), "any");
}

TEST(Routes, TheFirstMatchingRouteWins) {
  auto table = table_of(R"(
    name: r
    virtual_hosts:
    - name: h
      domains: ["*"]
      routes:
      - {name: exact, match: {path: /a}, direct_response: {status: 200}}
      - {name: header, match: {prefix: /, headers: [{name: x-user, string_match: {exact: jason}}]}, direct_response: {status: 200}}
      - {name: query, match: {prefix: /, query_parameters: [{name: v, string_match: {prefix: "2"}}]}, direct_response: {status: 200}}
      - {name: separated, match: {path_separated_prefix: /sep}, direct_response: {status: 200}}
      - {name: regex, match: {safe_regex: {regex: "/r/[0-9]+"}}, direct_response: {status: 200}}
      - {name: folded, match: {prefix: /CaSe, case_sensitive: false}, direct_response: {status: 200}}
      - {name: prefix, match: {prefix: /foo}, direct_response: {status: 200}}
  )");
  EXPECT_EQ(chosen(*table, get("h", "/a?x=1")), "exact");
  EXPECT_EQ(chosen(*table, get("h", "/a/")), "host h");
  auto with_header = get("h", "/zzz");
  with_header.headers.add("x-user", "jason");
  EXPECT_EQ(chosen(*table, with_header), "header");
  EXPECT_EQ(chosen(*table, get("h", "/q?w=1&v=27")), "query");
  EXPECT_EQ(chosen(*table, get("h", "/sep/x")), "separated");
  EXPECT_EQ(chosen(*table, get("h", "/separate")), "host h");
  EXPECT_EQ(chosen(*table, get("h", "/r/12")), "regex");
  EXPECT_EQ(chosen(*table, get("h", "/r/12x")), "host h") << "the whole path must match";
  EXPECT_EQ(chosen(*table, get("h", "/cAsE/1")), "folded");
  EXPECT_EQ(chosen(*table, get("h", "/foobar")), "prefix") << "a plain prefix does not care for segments";
}

TEST(Routes, AnInvertedHeaderMatchNeedsTheHeaderUnlessMissingCountsAsEmpty) {
  HeaderMatch match{.name = "x", .kind = HeaderMatch::Kind::Value, .value = {.value = "a"}, .invert = true};
  auto request = get("h", "/");
  EXPECT_FALSE(match.matches(request));
  match.missing_is_empty = true;
  EXPECT_TRUE(match.matches(request));
  request.headers.add("x", "a");
  EXPECT_FALSE(match.matches(request));
  request.headers.add("x", "b");
  EXPECT_FALSE(match.matches(request)) << "one of the values is enough for what is inverted here";
}

TEST(Routes, WeightsShareTheTraffic) {
  auto table = table_of(R"(
    name: r
    virtual_hosts:
    - name: h
      domains: ["*"]
      routes:
      - match: {prefix: /}
        route: {weighted_clusters: {clusters: [{name: a, weight: 20}, {name: b, weight: 80}, {name: c, weight: 0}]}}
  )");
  const auto& forward = std::get<Forward>(table->hosts()[0]->routes[0].action);
  int a = 0, c = 0;
  for (uint32_t dice = 0; dice < 1000; ++dice) {
    const WeightedTarget& target = pick(forward, dice);
    a += &target == &forward.targets[0];
    c += &target == &forward.targets[2];
  }
  EXPECT_EQ(a, 200);
  EXPECT_EQ(c, 0);
}

TEST(Routes, RewritesKeepTheQuery) {
  auto table = table_of(R"(
    name: r
    virtual_hosts:
    - name: h
      domains: ["*"]
      routes:
      - {name: p, match: {prefix: /api/}, route: {cluster: c, prefix_rewrite: /}}
      - {name: s, match: {path_separated_prefix: /svc}, route: {cluster: c, prefix_rewrite: /}}
      - {name: e, match: {path: /gone}, route: {cluster: c, regex_rewrite: {pattern: {regex: ".*"}, substitution: ""}}}
      - name: x
        match: {prefix: /}
        route: {cluster: c, regex_rewrite: {pattern: {regex: "^/v([0-9])/(.*)$"}, substitution: "/\\2/version\\1"}}
  )");
  auto rewrite = [&](const std::string& path) {
    const Route* route = choose(*table, get("h", path), {}).route;
    return rewritten_path(*route, std::get<Forward>(route->action), path);
  };
  EXPECT_EQ(rewrite("/api/users?id=1"), "/users?id=1");
  EXPECT_EQ(rewrite("/svc/users"), "//users") << "as Envoy: what follows the prefix keeps its slash";
  EXPECT_EQ(rewrite("/svc"), "/");
  EXPECT_EQ(rewrite("/v2/cats?x"), "/cats/version2?x");
  EXPECT_EQ(rewrite("/gone?x"), "") << "nothing is left: as Envoy, that is no rewrite";
}

TEST(Routes, ARedirectChangesOnlyWhatItNames) {
  Route route;
  auto request = get("shop.example.com:80", "/cart?x=1");
  EXPECT_EQ(location_of(route, {.scheme = "https"}, request), "https://shop.example.com/cart?x=1");
  EXPECT_EQ(location_of(route, {.host = "other.org", .path = "/new"}, request), "http://other.org/new?x=1");
  EXPECT_EQ(location_of(route, {.port = 8443, .strip_query = true}, request), "http://shop.example.com:8443/cart");
  EXPECT_EQ(location_of(route, {.scheme = "https", .port = 443, .path = "/"}, request),
            "https://shop.example.com:443/?x=1");
}

TEST(Routes, TwoVirtualHostsMayNotShareADomain) {
  Slots slots;
  LogFiles logs;
  auto message = message_of<envoy::config::route::v3::RouteConfiguration>(
      R"({name: r, virtual_hosts: [{name: a, domains: [x.org]}, {name: b, domains: [X.org]}]})");
  ASSERT_TRUE(message);
  auto table = (Compiler{slots, logs}.route_table(*message));
  ASSERT_FALSE(table);
  EXPECT_NE(table.error().message.find("x.org"), std::string::npos);
}

}  // namespace
}  // namespace proxy
