// SPDX-License-Identifier: Apache-2.0
#include "net/task.h"
#include "proxy/runtime/harness.h"

namespace proxy {
namespace {

using namespace proxy::testing;

// Routes over real sockets: what each does to a request on its way.
class Routing : public ::testing::Test {
 protected:
  std::string usual(const std::string& routes, const std::string& options = "") {
    return bootstrap_of(routes,
                        cluster_of("backend", "@backend") + cluster_of("dead", "1") +
                            cluster_of("other", std::to_string(other_.port())),
                        options);
  }
  http::Request request(const std::string& path,
                        std::initializer_list<std::pair<std::string, std::string>> headers = {}) {
    http::Request out;
    out.path = path;
    out.authority = "shop.example.com:8080";
    for (const auto& [name, value] : headers) out.headers.add(name, value);
    return out;
  }
  net::Loop loop_;
  Backend backend_{loop_}, other_{loop_};
};

// Whose x-envoy-* headers are believed.
constexpr const char* kTenIsInternal =
    "          internal_address_config: {cidr_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}\n";

std::string refusal(const std::string& routes) {
  auto bootstrap = parse_bootstrap(bootstrap_of(routes, cluster_of("backend", "1")));
  if (!bootstrap) return "not read: " + bootstrap.error().message;
  auto valid = validate(*bootstrap);
  return valid ? "" : valid.error().message;
}

TEST_F(Routing, AMirrorGetsACopyUnderItsShadowName) {
  Proxy proxy(loop_,
              usual("              - {match: {prefix: /}, route: {cluster: backend, request_mirror_policies: "
                    "[{cluster: other}]}}\n"),
              backend_.port());
  auto post = request("/copied");
  post.method = "POST";
  post.body = bytes(100'000);
  auto response = fetch(loop_, proxy.port(), std::move(post));
  EXPECT_EQ(response.body, "POST /copied host=shop.example.com:8080 body=100000");
  net::run_to_end(loop_, [](net::Loop& loop, Backend& other) -> net::Task<void> {
    for (int i = 0; i < 500 && other.last.empty(); ++i) co_await net::sleep(loop, std::chrono::milliseconds(10));
  }(loop_, other_));
  EXPECT_EQ(other_.last, "POST /copied host=shop.example.com-shadow:8080 body=100000");
  EXPECT_EQ(backend_.requests, 1);
}

TEST_F(Routing, AMirrorThatIsDeadChangesNothing) {
  Proxy proxy(loop_,
              usual("              - {match: {prefix: /}, route: {cluster: backend, request_mirror_policies: "
                    "[{cluster: dead}, {cluster: nobody}]}}\n"),
              backend_.port());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(fetch(loop_, proxy.port(), request("/x")).status, 200);
}

TEST_F(Routing, AClientWithoutTheHashCookieIsGivenOne) {
  Proxy proxy(loop_,
              usual("              - {match: {prefix: /}, route: {cluster: backend, hash_policy: [{cookie: {name: "
                    "user, ttl: 60s, path: /p}}]}}\n"),
              backend_.port());
  std::string cookie(fetch(loop_, proxy.port(), request("/")).headers.get("set-cookie").value_or(""));
  EXPECT_TRUE(cookie.starts_with("user=\"")) << cookie;
  EXPECT_TRUE(cookie.ends_with("\"; Max-Age=60; Path=/p; HttpOnly")) << cookie;
  auto known = fetch(loop_, proxy.port(), request("/", {{"cookie", "a=b; user=7"}}));
  EXPECT_FALSE(known.headers.contains("set-cookie"));
}

TEST_F(Routing, AHeaderNamesTheCluster) {
  Proxy proxy(loop_,
              usual("              - {match: {prefix: /one}, route: {cluster_header: x-to}}\n"
                    "              - {match: {prefix: /}, route: {weighted_clusters: {clusters: [{cluster_header: "
                    "x-to, weight: 1}]}}}\n"),
              backend_.port());
  EXPECT_EQ(fetch(loop_, proxy.port(), request("/one", {{"x-to", "other"}})).status, 200);
  EXPECT_EQ(fetch(loop_, proxy.port(), request("/two", {{"x-to", "other"}})).status, 200);
  EXPECT_EQ(other_.requests, 2);
  EXPECT_EQ(fetch(loop_, proxy.port(), request("/one", {{"x-to", "nobody"}})).status, 503);
  EXPECT_EQ(fetch(loop_, proxy.port(), request("/one")).status, 503);
}

TEST_F(Routing, HostsAreRewrittenInEveryWay) {
  Proxy proxy(
      loop_,
      usual("              - {match: {prefix: /literal}, route: {cluster: backend, host_rewrite_literal: new, "
            "append_x_forwarded_host: true}}\n"
            "              - {match: {prefix: /header}, route: {cluster: backend, host_rewrite_header: x-host}}\n"
            "              - {match: {prefix: /path}, route: {cluster: backend, host_rewrite_path_regex: {pattern: "
            "{regex: '^/path/(.+)$'}, substitution: '\\1.example.com'}}}\n"
            "              - {match: {prefix: /format}, route: {cluster: backend, host_rewrite: "
            "'%REQ(x-host)%.local'}}\n"),
      backend_.port());
  auto literal = fetch(loop_, proxy.port(), request("/literal"));
  EXPECT_EQ(literal.body, "GET /literal host=new body=0");
  EXPECT_EQ(literal.headers.get("echo-x-forwarded-host"), "shop.example.com:8080");
  EXPECT_EQ(fetch(loop_, proxy.port(), request("/header", {{"x-host", "h"}})).body, "GET /header host=h body=0");
  EXPECT_EQ(fetch(loop_, proxy.port(), request("/path/cart?x=1")).body,
            "GET /path/cart?x=1 host=cart.example.com body=0");
  EXPECT_EQ(fetch(loop_, proxy.port(), request("/format", {{"x-host", "h"}})).body, "GET /format host=h.local body=0");
}

TEST_F(Routing, TheRequestsOwnHeadersAddToTheRetryPolicy) {
  Proxy proxy(loop_, usual("              - {match: {prefix: /}, route: {cluster: backend}}\n", kTenIsInternal),
              backend_.port());
  auto stranger = fetch(loop_, proxy.port(), request("/fail-first/a", {{"x-envoy-retry-on", "5xx"}}));
  EXPECT_EQ(stranger.status, 503);
  auto again =
      fetch(loop_, proxy.port(),
            request("/fail-first/b",
                    {{"x-forwarded-for", "10.0.0.1"}, {"x-envoy-retry-on", "5xx"}, {"x-envoy-max-retries", "2"}}));
  EXPECT_EQ(again.status, 200);
  EXPECT_FALSE(again.headers.contains("echo-x-envoy-retry-on"));
  EXPECT_EQ(again.headers.get("echo-x-envoy-attempt-count"), "2");
  auto codes = fetch(loop_, proxy.port(),
                     request("/fail-first/c", {{"x-forwarded-for", "10.0.0.1"},
                                               {"x-envoy-retry-on", "retriable-status-codes"},
                                               {"x-envoy-retriable-status-codes", "500, 503"}}));
  EXPECT_EQ(codes.status, 200);
}

TEST_F(Routing, ABodyWithinTheLimitIsSentAgainAndALargerOneIsNot) {
  Proxy proxy(loop_,
              usual("              - {match: {prefix: /}, per_request_buffer_limit_bytes: 200000, route: {cluster: "
                    "backend, retry_policy: {retry_on: 5xx}}}\n"),
              backend_.port());
  auto small = request("/fail-first/small");
  small.method = "POST";
  small.body = bytes(150'000);
  EXPECT_TRUE(fetch(loop_, proxy.port(), std::move(small)).body.ends_with("body=150000"));
  auto large = request("/fail-first/large");
  large.method = "POST";
  large.body = bytes(900'000);
  EXPECT_EQ(fetch(loop_, proxy.port(), std::move(large)).status, 503);
}

TEST_F(Routing, ATryThatTakesTooLongIsGivenUpForAnother) {
  Proxy proxy(loop_,
              usual("              - {match: {prefix: /slow}, route: {cluster: backend, retry_policy: {retry_on: "
                    "reset, num_retries: 1, per_try_timeout: 0.05s}}}\n"
                    "              - {match: {prefix: /}, route: {cluster: backend}}\n",
                    kTenIsInternal),
              backend_.port());
  EXPECT_EQ(fetch(loop_, proxy.port(), request("/slow")).status, 504);
  EXPECT_EQ(backend_.requests, 2);
  auto by_header = fetch(loop_, proxy.port(),
                         request("/x", {{"x-forwarded-for", "10.0.0.1"}, {"x-envoy-upstream-rq-timeout-ms", "7000"}}));
  EXPECT_EQ(by_header.headers.get("echo-x-envoy-expected-rq-timeout-ms"), "7000");
  EXPECT_FALSE(by_header.headers.contains("echo-x-envoy-upstream-rq-timeout-ms"));
}

TEST_F(Routing, StreamsThatIdleOrLastTooLongAreEnded) {
  Proxy proxy(loop_,
              usual("              - {match: {path: /slow, headers: [{name: a}]}, route: {cluster: backend, timeout: "
                    "0s, idle_timeout: 0.05s}}\n"
                    "              - {match: {path: /slow, headers: [{name: b}]}, route: {cluster: backend, timeout: "
                    "0s, max_stream_duration: {max_stream_duration: 0.05s}}}\n"
                    "              - {match: {path: /slow, headers: [{name: grpc-timeout}]}, route: {cluster: backend, "
                    "timeout: 0s, max_grpc_timeout: 0s}}\n"),
              backend_.port());
  auto idle = fetch(loop_, proxy.port(), request("/slow", {{"a", "1"}}));
  EXPECT_EQ(idle.status, 504);
  EXPECT_EQ(idle.body, "stream timeout");
  auto lasting = fetch(loop_, proxy.port(), request("/slow", {{"b", "1"}}));
  EXPECT_EQ(lasting.status, 504);
  EXPECT_EQ(lasting.body, "downstream duration timeout");
  auto grpc =
      fetch(loop_, proxy.port(), request("/slow", {{"grpc-timeout", "50m"}, {"content-type", "application/grpc"}}));
  EXPECT_EQ(grpc.headers.get("grpc-status"), "14") << "as Envoy: its own 504 is UNAVAILABLE to gRPC";
}

const std::string kShop = "http://shop.example.com:8080";

// A path that the backend answers with a redirect, so many times, until it is `path`.
std::string redirected(int times, const std::string& path) {
  return times ? "/redirect/" + kShop + redirected(times - 1, path) : path;
}

TEST_F(Routing, ATryIsCountedBeforeHeadersAreMadeAndATargetsHostLeavesNoTrace) {
  std::string text = usual(
      "              - {match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: backend, weight: 1, "
      "host_rewrite_literal: new}]}, append_x_forwarded_host: true}, request_headers_to_add: [{header: {key: x-try, "
      "value: '%REQ(x-envoy-attempt-count)%'}}]}\n");
  Proxy proxy(loop_, text, backend_.port());
  auto answer = fetch(loop_, proxy.port(), request("/"));
  EXPECT_EQ(answer.body, "GET / host=new body=0");
  EXPECT_EQ(answer.headers.get("echo-x-try"), "1");
  EXPECT_FALSE(answer.headers.contains("echo-x-envoy-original-host"));
  EXPECT_FALSE(answer.headers.contains("echo-x-forwarded-host"));
}

TEST_F(Routing, WhatGrpcSaysOfItsTimeIsHeldToAndToldOn) {
  Proxy proxy(
      loop_,
      usual("              - {match: {prefix: /old}, route: {cluster: backend, max_grpc_timeout: 1s}}\n"
            "              - {match: {prefix: /}, route: {cluster: backend, timeout: 0.01s, max_stream_duration: "
            "{grpc_timeout_header_max: 1s, grpc_timeout_header_offset: 0.1s}}}\n"),
      backend_.port());
  const auto told = [&](const std::string& path, const std::string& timeout) {
    auto grpc = request(path, {{"content-type", "application/grpc"}});
    if (!timeout.empty()) grpc.headers.add("grpc-timeout", timeout);
    auto answer = fetch(loop_, proxy.port(), std::move(grpc));
    if (auto status = answer.headers.get("grpc-status")) return "status " + std::string(*status);
    return std::string(answer.headers.get("echo-grpc-timeout").value_or("nothing"));
  };
  EXPECT_EQ(told("/old", "5S"), "1000m");
  EXPECT_EQ(told("/old", "300m"), "300m");
  EXPECT_EQ(told("/old", ""), "1000m");
  EXPECT_EQ(told("/new", "5S"), "900m");
  EXPECT_EQ(told("/new", ""), "nothing");
  EXPECT_EQ(told("/old", "99999999H"), "1000m");
  EXPECT_EQ(told("/new", "99999999H"), "900m");
  EXPECT_EQ(told("/slow", "50m"), "status 4") << "less than the offset: it is over at once";
  EXPECT_EQ(told("/slow", "200m"), "status 4");
}

TEST_F(Routing, ARedirectOfTheUpstreamIsFollowedWhereTheRouteSaysSo) {
  Proxy proxy(loop_,
              usual("              - {match: {prefix: /redirect/}, route: {cluster: backend, internal_redirect_policy: "
                    "{max_internal_redirects: 1}}}\n"
                    "              - {match: {prefix: /}, route: {cluster: other}}\n"),
              backend_.port());
  auto followed = fetch(loop_, proxy.port(), request(redirected(1, "/landed")));
  EXPECT_EQ(followed.status, 200);
  EXPECT_EQ(followed.body, "GET /landed host=shop.example.com:8080 body=0");
  EXPECT_EQ(followed.headers.get("echo-x-envoy-original-url"), kShop + redirected(1, "/landed"));
  auto twice = fetch(loop_, proxy.port(), request(redirected(2, "/landed")));
  EXPECT_EQ(twice.status, 302) << "one is the most";
  EXPECT_EQ(fetch(loop_, proxy.port(), request("/redirect//landed")).status, 302) << "relative: the client's to follow";
  EXPECT_EQ(fetch(loop_, proxy.port(), request("/redirect/HTTP://shop.example.com:8080/landed")).status, 200);
  const auto counted = [&](const char* stat) {
    return proxy.process().scrape().prometheus().find(stat) != std::string::npos;
  };
  EXPECT_TRUE(counted("envoy_cluster_upstream_internal_redirect_failed_total{envoy_cluster_name=\"backend\"} 2"));
  EXPECT_TRUE(counted("envoy_cluster_upstream_rq{envoy_cluster_name=\"backend\",envoy_response_code=\"302\"} 2"))
      << "what was followed is not an answer";
  for (const char* odd : {"http://shop.example.com:99999/landed", "http://shop.example.com:/", "http:///landed",
                          "http://a%20b/landed", "http://a@b/landed", "http://[::1/landed", "http://?landed"})
    EXPECT_EQ(fetch(loop_, proxy.port(), request(std::string("/redirect/") + odd)).status, 302) << odd;
}

TEST_F(Routing, ARedirectToWhereNoRouteIsStaysTheClients) {
  Proxy proxy(
      loop_,
      usual("              - {match: {prefix: /redirect/}, route: {cluster: backend, internal_redirect_policy: {}}}\n"),
      backend_.port());
  auto answer = fetch(loop_, proxy.port(), request(redirected(1, "/nowhere")));
  EXPECT_EQ(answer.status, 302);
  EXPECT_EQ(answer.headers.get("location"), kShop + "/nowhere");
}

TEST_F(Routing, ARedirectIsNormalizedAsARequestIs) {
  std::string text = usual(
      "              - {match: {prefix: /redirect/}, route: {cluster: backend, internal_redirect_policy: {}}}\n"
      "              - {match: {prefix: /admin}, direct_response: {status: 403}}\n"
      "              - {match: {prefix: /}, route: {cluster: other}}\n",
      "          normalize_path: true\n          merge_slashes: true\n"
      "          path_with_escaped_slashes_action: UNESCAPE_AND_FORWARD\n");
  Proxy proxy(loop_, text, backend_.port());
  const auto led_to = [&](const std::string& path) {
    return fetch(loop_, proxy.port(), request("/redirect/", {{"redirect-to", kShop + path}})).status;
  };
  for (const char* path : {"/x/../admin", "//admin", "/%61dmin", "/x/%2e%2e/admin", "/x%2f..%2fadmin", "/a\\..\\admin"})
    EXPECT_EQ(led_to(path), 403) << path;
  for (const char* path : {"/%00", "/%zz", "/a b", "/\xc3\xa4"}) EXPECT_EQ(led_to(path), 302) << path;
  EXPECT_EQ(other_.requests, 0);
}

TEST_F(Routing, PredicatesSayWhichRedirectsAreFollowed) {
  auto predicate = [](const std::string& type, const std::string& more = "") {
    return "{name: p, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.internal_redirect." + type + more +
           "}}";
  };
  auto proxy_with = [&](const std::string& predicates) {
    return usual(
        "              - {name: from, match: {prefix: /redirect/}, route: {cluster: backend, "
        "internal_redirect_policy: {max_internal_redirects: 5, allow_cross_scheme_redirect: true, predicates: [" +
        predicates +
        "]}}}\n              - {name: landed, match: {prefix: /landed}, route: {cluster: other}}\n"
        "              - {name: rest, match: {prefix: /}, route: {cluster: other}}\n");
  };
  auto status = [&](Proxy& proxy, const std::string& path) { return fetch(loop_, proxy.port(), request(path)).status; };
  Proxy listed(
      loop_, proxy_with(predicate("allow_listed_routes.v3.AllowListedRoutesConfig", ", allowed_route_names: [landed]")),
      backend_.port());
  EXPECT_EQ(status(listed, redirected(1, "/landed")), 200);
  auto refused = fetch(loop_, listed.port(), request(redirected(1, "/elsewhere")));
  EXPECT_EQ(refused.status, 302);
  EXPECT_EQ(refused.headers.get("location"), kShop + "/elsewhere");
  Proxy fresh(loop_, proxy_with(predicate("previous_routes.v3.PreviousRoutesConfig")), backend_.port());
  EXPECT_EQ(status(fresh, redirected(2, "/landed")), 200);
  EXPECT_EQ(status(fresh, redirected(3, "/landed")), 302) << "the route leads to itself but once";
  Proxy safe(loop_, proxy_with(predicate("safe_cross_scheme.v3.SafeCrossSchemeConfig")), backend_.port());
  EXPECT_EQ(status(safe, "/redirect/http://shop.example.com/landed"), 200);
  EXPECT_EQ(status(safe, "/redirect/https://shop.example.com/landed"), 302);
}

TEST_F(Routing, APathOfAFormatKeepsTheQuery) {
  Proxy proxy(loop_,
              usual("              - {match: {prefix: /}, route: {cluster: backend, path_rewrite: "
                    "\"/for/%REQ(:METHOD)%\"}}\n"),
              backend_.port());
  EXPECT_NE(fetch(loop_, proxy.port(), request("/x?a=1")).body.find("/for/GET?a=1 "), std::string::npos);
}

TEST_F(Routing, ADirectResponseIsOfTheTypeThatItsRouteSays) {
  Proxy proxy(loop_,
              usual("              - match: {prefix: /}\n"
                    "                direct_response: {status: 200, body: {inline_string: <p>}}\n"
                    "                response_headers_to_add: [{header: {key: content-type, value: text/html}}, "
                    "{header: {key: x-was, value: \"%RESP(:STATUS)%\"}}]\n"),
              backend_.port());
  auto response = fetch(loop_, proxy.port(), request("/"));
  EXPECT_EQ(response.headers.joined("content-type"), "text/html");
  EXPECT_EQ(response.headers.get("x-was"), "200");
}

TEST_F(Routing, ADirectResponseHasAFormatAndALimit) {
  Proxy proxy(loop_,
              usual("              - match: {prefix: /}\n"
                    "                direct_response: {status: 418, body: {inline_string: tea}, body_format: "
                    "{text_format: 'you asked %REQ(:PATH)% and got %LOCAL_REPLY_BODY%', content_type: text/x-tea}}\n"),
              backend_.port());
  auto response = fetch(loop_, proxy.port(), request("/pot"));
  EXPECT_EQ(response.status, 418);
  EXPECT_EQ(response.body, "you asked /pot and got tea");
  EXPECT_EQ(response.headers.get("content-type"), "text/x-tea");
  std::string routes =
      "              - {match: {prefix: /}, direct_response: {status: 200, body: {inline_string: " + bytes(5000) +
      "}}}\n";
  EXPECT_EQ(refusal(routes),
            "listener main: virtual host all: routes[0]: direct_response.body: response body size is 5000 bytes; "
            "maximum is 4096");
}

TEST(RoutesThatAreRefused, NameTheField) {
  auto route = [](const std::string& action) {
    return "              - {match: {prefix: /}, route: {cluster: backend, " + action + "}}\n";
  };
  EXPECT_NE(
      refusal(route("hedge_policy: {hedge_on_per_try_timeout: true}"))
          .find("virtual_hosts[0].routes[0].route: envoy.config.route.v3.RouteAction.hedge_policy is not supported"),
      std::string::npos);
  EXPECT_NE(refusal(route("path_rewrite_policy: {name: x, typed_config: {'@type': "
                          "type.googleapis.com/google.protobuf.Duration, value: 1s}}"))
                .find("RouteAction.path_rewrite_policy is not supported"),
            std::string::npos);
  EXPECT_NE(refusal(route("retry_policy: {retry_on: 5xx, retry_back_off: {base_interval: 1s, max_interval: 0.5s}}"))
                .find("retry_back_off"),
            std::string::npos);
  EXPECT_NE(refusal("              - {match: {prefix: /, dynamic_metadata: [{filter: x, path: [{key: y}], value: "
                    "{present_match: true}}]}, route: {cluster: backend}}\n")
                .find("match.dynamic_metadata"),
            std::string::npos);
  EXPECT_NE(refusal("              - {match: {prefix: /}, request_headers_to_add: [{header: {key: ':path', value: "
                    "/}}], route: {cluster: backend}}\n")
                .find("may not be modified"),
            std::string::npos);
  EXPECT_NE(
      refusal("              - {match: {prefix: /}, response_headers_to_add: [{header: {key: 'bad key', value: x}}], "
              "route: {cluster: backend}}\n")
          .find("\"bad key\" is no name of a header"),
      std::string::npos);
}

}  // namespace
}  // namespace proxy
