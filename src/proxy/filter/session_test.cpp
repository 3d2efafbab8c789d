// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/stateful_session.h"

#include "base/strings.h"
#include "proxy/runtime/harness.h"

namespace proxy {
namespace {

using namespace proxy::testing;

constexpr const char* kRoute = "              - {match: {prefix: /}, route: {cluster: backend}}\n";

std::string two_endpoints(uint16_t a, uint16_t b) {
  auto endpoint = [](uint16_t port) {
    return "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: " + std::to_string(port) + "}}}}";
  };
  return "  - name: backend\n    type: STATIC\n    load_assignment: {cluster_name: backend, endpoints: [{lb_endpoints: "
         "[" +
         endpoint(a) + ", " + endpoint(b) + "]}]}\n";
}
std::string session(const std::string& state, const std::string& more = "") {
  return "{name: s, typed_config: {\"@type\": "
         "type.googleapis.com/envoy.extensions.filters.http.stateful_session.v3.StatefulSession, session_state: "
         "{name: x, typed_config: " +
         state + "}" + more + "}}\n";
}

TEST(StatefulSessions, ACookieKeepsAClientWithItsEndpoint) {
  net::Loop loop;
  Backend a(loop), b(loop);
  Proxy proxy(
      loop, bootstrap_of(
                kRoute, two_endpoints(a.port(), b.port()), "",
                session("{\"@type\": "
                        "type.googleapis.com/envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState, "
                        "cookie: {name: sess, path: /, ttl: 120s}}")));
  auto first = get(loop, proxy.port(), "/");
  auto cookie = first.headers.get("set-cookie");
  ASSERT_TRUE(cookie);
  EXPECT_TRUE(cookie->starts_with("sess=\"") && cookie->ends_with("\"; Max-Age=120; Path=/; HttpOnly")) << *cookie;
  std::string mine(cookie->substr(0, cookie->find(';')));
  int was_a = a.requests;
  for (int i = 0; i < 6; ++i) {
    http::Request request;
    request.headers.add("cookie", "other=1; " + mine);
    EXPECT_FALSE(fetch(loop, proxy.port(), std::move(request)).headers.contains("set-cookie"));
  }
  EXPECT_EQ(was_a ? a.requests : b.requests, 7);
  http::Request garbage;
  garbage.headers.add("cookie", "sess=\"nonsense\"");
  EXPECT_TRUE(fetch(loop, proxy.port(), std::move(garbage)).headers.contains("set-cookie"));
}

TEST(StatefulSessions, AStrictHeaderAllowsNoOtherEndpoint) {
  net::Loop loop;
  Backend a(loop), b(loop);
  Proxy proxy(
      loop, bootstrap_of(
                kRoute, two_endpoints(a.port(), b.port()), "",
                session("{\"@type\": "
                        "type.googleapis.com/envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState, "
                        "name: x-session}",
                        ", strict: true")));
  auto ask = [&](const std::string& address) {
    http::Request request;
    request.headers.add("x-session", base::to_base64(address));
    return fetch(loop, proxy.port(), std::move(request)).status;
  };
  for (int i = 0; i < 4; ++i) EXPECT_EQ(ask("127.0.0.1:" + std::to_string(b.port())), 200);
  EXPECT_EQ(b.requests, 4);
  EXPECT_EQ(ask("127.0.0.1:1"), 503);
  EXPECT_EQ(ask("not an address"), 503);
  EXPECT_EQ(a.requests, 0);
}

TEST(HealthChecks, AreAnsweredHereAndPassedOnWithAMemory) {
  net::Loop loop;
  Backend backend(loop);
  auto check = [](const std::string& more) {
    return "{name: h, typed_config: {\"@type\": "
           "type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck, headers: [{name: \":path\", "
           "string_match: {prefix: /status/}}], " +
           more + "}}\n";
  };
  Proxy here(loop,
             bootstrap_of(kRoute, cluster_of("backend", "@backend"), "",
                          check("pass_through_mode: false, cluster_min_healthy_percentages: {backend: {value: 50}}")),
             backend.port());
  EXPECT_EQ(get(loop, here.port(), "/status/200").status, 200);
  EXPECT_EQ(backend.requests, 0);
  Proxy none(loop,
             bootstrap_of(kRoute, cluster_of("backend", "@backend"), "",
                          check("pass_through_mode: false, cluster_min_healthy_percentages: {gone: {value: 50}}")),
             backend.port());
  EXPECT_EQ(get(loop, none.port(), "/status/200").status, 503);
  Proxy through(
      loop,
      bootstrap_of(kRoute, cluster_of("backend", "@backend"), "", check("pass_through_mode: true, cache_time: 1000s")),
      backend.port());
  EXPECT_EQ(get(loop, through.port(), "/status/503").status, 503);
  EXPECT_EQ(get(loop, through.port(), "/status/200").status, 503);  // what was heard last
  EXPECT_EQ(backend.requests, 1);
  EXPECT_EQ(get(loop, through.port(), "/other").status, 200);
}

TEST(HeaderToMetadata, FillsWhatOtherFiltersAndLogsRead) {
  net::Loop loop;
  Backend backend(loop);
  std::string rules =
      "{name: h2m, typed_config: {\"@type\": "
      "type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config, request_rules: ["
      "{header: x-version, on_header_present: {metadata_namespace: lb, key: version, regex_value_rewrite: {pattern: "
      "{regex: \"^v(.*)$\"}, substitution: '\\1'}}, "
      "on_header_missing: {metadata_namespace: lb, key: version, value: none}, remove: true}, "
      "{cookie: user, on_header_present: {metadata_namespace: lb, key: user}}, "
      "{header: x-count, on_header_present: {metadata_namespace: lb, key: count, type: NUMBER}}]}}\n"
      "{name: set, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config, "
      "metadata: [{metadata_namespace: fixed, value: {tier: gold}}]}}\n";
  std::string routes =
      "              - {match: {prefix: /}, route: {cluster: backend}, response_headers_to_add: ["
      "{header: {key: x-count, value: \"%DYNAMIC_METADATA(lb:count)% %DYNAMIC_METADATA(lb)%\"}}, {header: {key: "
      "x-told, value: \"%DYNAMIC_METADATA(lb:version)% %DYNAMIC_METADATA(lb:user)% "
      "%DYNAMIC_METADATA(fixed:tier)%\"}}]}\n";
  Proxy proxy(loop, bootstrap_of(routes, cluster_of("backend", "@backend"), "", rules), backend.port());
  http::Request request;
  request.headers.add("x-version", "v42");
  request.headers.add("cookie", "a=b; user=\"ann\"");
  auto response = fetch(loop, proxy.port(), std::move(request));
  EXPECT_EQ(response.headers.get("x-told"), "42 ann gold");
  EXPECT_FALSE(response.headers.contains("echo-x-version"));
  http::Request bare;
  bare.headers.add("cookie", "user=bob");
  bare.headers.add("x-count", "3");
  response = fetch(loop, proxy.port(), std::move(bare));
  EXPECT_EQ(response.headers.get("x-told"), "none bob gold");
  EXPECT_EQ(response.headers.get("x-count"), "3 {\"count\":3,\"user\":\"bob\",\"version\":\"none\"}");
}

}  // namespace
}  // namespace proxy
