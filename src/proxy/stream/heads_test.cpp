// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <sstream>

#include "base/strings.h"
#include "proxy/admin/admin.h"
#include "proxy/runtime/harness.h"
#include "proxy/stream/metrics.h"

namespace proxy {
namespace {

using namespace proxy::testing;

// What a listener does to the heads of requests and answers.
class Heads : public ::testing::Test {
 protected:
  std::string usual(const std::string& options,
                    const std::string& routes = "              - {match: {prefix: /}, route: {cluster: backend}}\n") {
    return bootstrap_of(routes, cluster_of("backend", "@backend") + cluster_of("dead", "1"), options);
  }
  http::Response ask(Proxy& proxy, const std::string& path,
                     std::initializer_list<std::pair<std::string, std::string>> headers = {}) {
    http::Request out;
    out.path = path;
    out.authority = "shop";
    for (const auto& [name, value] : headers) out.headers.add(name, value);
    return fetch(loop_, proxy.port(), std::move(out));
  }
  net::Loop loop_;
  Backend backend_{loop_};
};

TEST_F(Heads, AtTheEdgeTheMeshsOwnHeadersAreTakenOffAndTheClientIsNamed) {
  Proxy proxy(loop_,
              usual("          use_remote_address: true\n          xff_num_trusted_hops: 1\n          via: gate\n      "
                    "    append_x_forwarded_port: true\n"),
              backend_.port());
  auto response = ask(proxy, "/",
                      {{"x-forwarded-for", "1.2.3.4, 9.9.9.9"},
                       {"x-envoy-retry-on", "5xx"},
                       {"x-envoy-internal", "true"},
                       {"via", "b"},
                       {"x-request-id", "mine"}});
  EXPECT_EQ(response.headers.get("echo-x-envoy-external-address"), "9.9.9.9");
  EXPECT_FALSE(response.headers.contains("echo-x-envoy-internal"));
  EXPECT_TRUE(response.headers.get("echo-x-forwarded-for").value_or("").starts_with("1.2.3.4, 9.9.9.9,"));
  EXPECT_EQ(response.headers.get("echo-x-forwarded-port"), std::to_string(proxy.port()));
  EXPECT_EQ(response.headers.get("echo-via"), "b, gate");
  EXPECT_EQ(response.headers.get("via"), "gate");
  EXPECT_NE(response.headers.get("echo-x-request-id"), "mine");
}

TEST_F(Heads, AMethodThatIsAnotherButForItsCaseIsRefused) {
  Proxy proxy(loop_, usual(""), backend_.port());
  for (auto version : {http::Version::Http1, http::Version::Http2})
    for (const auto& [method, status] : std::initializer_list<std::pair<const char*, int>>{{"delete", 400},
                                                                                           {"Delete", 400},
                                                                                           {"gET", 400},
                                                                                           {"connect", 400},
                                                                                           {"DELETE", 200},
                                                                                           {"purge", 200},
                                                                                           {"Foo", 200},
                                                                                           {"getx", 200}}) {
      http::Request request;
      request.method = method;
      EXPECT_EQ(fetch(loop_, proxy.port(), std::move(request), version).status, status) << method;
    }
}

TEST_F(Heads, WhoIsInsideIsBelievedOfNobodyElse) {
  const std::string ranges =
      "          internal_address_config: {cidr_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}, {address_prefix: "
      "127.0.0.0, prefix_len: 8}]}\n";
  for (auto [options, address] :
       {std::pair{"", "bad"},
        {"", ""},
        {"", "10.1.1.1:80"},
        {"          xff_num_trusted_hops: 1\n", "10.1.1.1"},
        {"          use_remote_address: true\n          xff_num_trusted_hops: 1\n", "10.1.1.1"},
        {"          use_remote_address: true\n", "10.1.1.1"}}) {
    Proxy proxy(loop_, usual(ranges + options), backend_.port());
    auto outside = ask(proxy, "/", {{"x-forwarded-for", address}, {"x-envoy-upstream-rq-timeout-ms", "77"}});
    EXPECT_FALSE(outside.headers.contains("echo-x-envoy-internal")) << options << address;
    EXPECT_EQ(outside.headers.get("echo-x-envoy-expected-rq-timeout-ms"), "15000");
  }
  Proxy proxy(loop_, usual(ranges + "          use_remote_address: true\n"), backend_.port());
  EXPECT_EQ(ask(proxy, "/", {}).headers.get("echo-x-envoy-internal"), "true");
}

TEST_F(Heads, OneForwardedAddressOfANamedRangeIsInside) {
  Proxy proxy(loop_,
              usual("          internal_address_config: {cidr_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}\n"),
              backend_.port());
  auto inside = ask(proxy, "/", {{"x-forwarded-for", "10.1.1.1"}, {"x-envoy-upstream-rq-timeout-ms", "77"}});
  EXPECT_EQ(inside.headers.get("echo-x-envoy-internal"), "true");
  EXPECT_EQ(inside.headers.get("echo-x-envoy-expected-rq-timeout-ms"), "77");
  auto two = ask(proxy, "/", {{"x-forwarded-for", "1.1.1.1,10.1.1.1"}, {"x-envoy-upstream-rq-timeout-ms", "77"}});
  EXPECT_FALSE(two.headers.contains("echo-x-envoy-internal"));
  EXPECT_EQ(two.headers.get("echo-x-envoy-expected-rq-timeout-ms"), "15000");
  auto none = ask(proxy, "/", {{"x-envoy-upstream-rq-timeout-ms", "77"}});
  EXPECT_EQ(none.headers.get("echo-x-envoy-expected-rq-timeout-ms"), "15000");
}

TEST_F(Heads, FormatsInHeadersKnowTheRequestAndTheTry) {
  Proxy proxy(loop_, usual("", R"(              - match: {prefix: /}
                route: {cluster: backend, prefix_rewrite: /new}
                request_headers_to_add:
                - {header: {key: x-year, value: "%START_TIME(%Y)%"}}
                - {header: {key: x-query, value: "%QUERY_PARAM(a)%|%QUERY_PARAMS%"}}
                - {header: {key: x-path, value: "%PATH%|%PATH(NQ)%"}}
                - {header: {key: x-try, value: "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"}}
                - {header: {key: x-bytes, value: "%REQUEST_HEADERS_BYTES%"}}
                response_headers_to_add:
                - {header: {key: x-year, value: "%START_TIME(%Y)%"}}
                - {header: {key: x-path, value: "%PATH(WQ:PATH)%|%PATH%"}}
                - {header: {key: x-bytes, value: "%RESPONSE_HEADERS_BYTES%"}}
)"),
              backend_.port());
  auto response = ask(proxy, "/old?a=1&b");
  auto year = response.headers.get("echo-x-year").value_or("");
  EXPECT_TRUE(year.size() == 4 && year > "2000") << year;
  EXPECT_EQ(response.headers.get("x-year"), year);
  EXPECT_EQ(response.headers.get("echo-x-query"), "1|a=1&b");
  EXPECT_EQ(response.headers.get("echo-x-path"), "/old?a=1&b|/old");
  EXPECT_EQ(response.headers.get("echo-x-try"), "1");
  EXPECT_GT(base::parse_number<int>(response.headers.get("echo-x-bytes").value_or("")).value_or(0), 100);
  EXPECT_EQ(response.headers.get("x-path"), "/newold?a=1&b|/old?a=1&b");
  EXPECT_GT(base::parse_number<int>(response.headers.get("x-bytes").value_or("")).value_or(0), 100);
}

TEST_F(Heads, AnswersOfTheProxysOwnAreShapedAsTheListenerSays) {
  Proxy proxy(
      loop_,
      usual(R"(          proxy_status_config: {}
          local_reply_config:
            mappers:
            - filter: {response_flag_filter: {flags: [NR]}}
              status_code: 410
              body: {inline_string: gone}
              body_format_override: {json_format: {b: "%LOCAL_REPLY_BODY%", code: "%RESPONSE_CODE%"}}
              headers_to_add: [{header: {key: x-l, value: "%RESPONSE_CODE%"}}]
            body_format: {text_format: "F: %LOCAL_REPLY_BODY% %RESPONSE_CODE%\n"}
)",
            "              - {match: {prefix: /d}, direct_response: {status: 200, body: {inline_string: hello}}}\n"),
      backend_.port());
  auto direct = ask(proxy, "/d");
  EXPECT_EQ(direct.body, "F: hello 200\n");
  EXPECT_FALSE(direct.headers.contains("proxy-status"));
  auto none = ask(proxy, "/none");
  EXPECT_EQ(none.status, 410);
  EXPECT_EQ(none.body, "{\"b\":\"gone\",\"code\":410}\n");
  EXPECT_EQ(none.headers.get("content-type"), "application/json");
  EXPECT_EQ(none.headers.get("x-l"), "404");
  EXPECT_EQ(none.headers.get("proxy-status"), "envoy; error=destination_not_found; details=\"route_not_found; NR\"");
}

TEST_F(Heads, AnAccessLogTakesWhatItsFilterSaysAndNamesTheObjectBehindTheRoute) {
  std::string file = ::testing::TempDir() + "/seine-access-" + std::to_string(getpid()) + ".log";
  {
    Proxy proxy(loop_,
                usual("          access_log:\n"
                      "          - name: file\n"
                      "            filter: {and_filter: {filters: [{header_filter: {header: {name: x-log}}}, "
                      "{status_code_filter: {comparison: {op: GE, value: {default_value: 200, runtime_key: x}}}}]}}\n"
                      "            typed_config: {'@type': "
                      "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: " +
                          file +
                          ", log_format: {json_format: {o: '%METADATA(ROUTE:istio:config)%', s: '%RESPONSE_CODE%', p: "
                          "'%REQ_WITHOUT_QUERY(:PATH)%', list: ['%PROTOCOL%', 1], m: '%REQ(none)%'}}}\n",
                      "              - {match: {prefix: /}, metadata: {filter_metadata: {istio: {config: "
                      "/apis/x/reviews}}}, route: {cluster: backend}}\n"),
                backend_.port());
    ask(proxy, "/quiet");
    ask(proxy, "/said?secret=1", {{"x-log", "1"}});
  }
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  EXPECT_EQ(text.str(), "{\"list\":[\"HTTP/1.1\",1],\"m\":null,\"o\":\"/apis/x/reviews\",\"p\":\"/said\",\"s\":200}\n");
  unlink(file.c_str());
}

TEST_F(Heads, ALogTellsTheBytesThatStoodOnTheWireOnBothSides) {
  std::string file = ::testing::TempDir() + "/seine-wire-" + std::to_string(getpid()) + ".log";
  const std::string head = "POST /x HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
  const std::string body = "5\r\nhello\r\n0\r\n\r\n";
  std::string answer;
  {
    Proxy proxy(loop_,
                usual("          access_log:\n"
                      "          - name: file\n"
                      "            typed_config: {'@type': "
                      "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: " +
                      file +
                      ", log_format: {text_format_source: {inline_string: \"%DOWNSTREAM_WIRE_BYTES_RECEIVED% "
                      "%DOWNSTREAM_HEADER_BYTES_RECEIVED% %DOWNSTREAM_WIRE_BYTES_SENT% %DOWNSTREAM_HEADER_BYTES_SENT% "
                      "%UPSTREAM_WIRE_BYTES_RECEIVED%:%UPSTREAM_WIRE_BYTES_SENT%\\n\"}}}\n"),
                backend_.port());
    answer = raw(loop_, proxy.port(), head + body);
  }
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  const size_t fields = head.size() - sizeof "POST /x HTTP/1.1\r\n\r\n" + 1;
  const size_t answered = answer.find("\r\n\r\n") - sizeof "HTTP/1.1 200 OK" + 1;
  const std::string line = std::to_string(head.size() + body.size()) + " " + std::to_string(fields - 3) + " " +
                           std::to_string(answer.size()) + " " + std::to_string(answered) + " ";
  EXPECT_EQ(text.str().substr(0, line.size()), line) << text.str() << answer;
  EXPECT_EQ(text.str().find(" 0:"), std::string::npos) << text.str();
  EXPECT_EQ(text.str().find(":0\n"), std::string::npos) << text.str();
  unlink(file.c_str());
}

TEST_F(Heads, WhatIsCountedBearsEnvoysNames) {
  Proxy proxy(loop_, usual("") + "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}\n",
              backend_.port());
  ask(proxy, "/status/404");
  uint16_t admin = proxy.process().admin_address().port();
  auto text = get(loop_, admin, "/stats?usedonly&filter=rq_4xx").body;
  EXPECT_NE(text.find("cluster.backend.upstream_rq_4xx: 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("http.main.downstream_rq_4xx: 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find(".http.main.downstream_rq_4xx: 1\n"), std::string::npos) << text;
  auto json = get(loop_, admin, "/stats?format=json&filter=%5Ecluster.backend.upstream_rq_404$").body;
  EXPECT_EQ(json, "{\"stats\":[{\"name\":\"cluster.backend.upstream_rq_404\",\"value\":1}]}");
  auto prometheus = get(loop_, admin, "/stats/prometheus?filter=upstream_rq_total").body;
  EXPECT_NE(prometheus.find("envoy_cluster_upstream_rq_total{envoy_cluster_name=\"backend\"} 1\n"), std::string::npos)
      << prometheus;
  EXPECT_EQ(get(loop_, admin, "/reset_counters").status, 405);
  http::Request reset;
  reset.method = "POST";
  reset.path = "/reset_counters";
  EXPECT_EQ(fetch(loop_, admin, std::move(reset)).status, 200);
  EXPECT_EQ(get(loop_, admin, "/stats?usedonly&filter=upstream_rq_404").body, "");
  EXPECT_EQ(get(loop_, admin, "/nothing").status, 404);
  EXPECT_EQ(get(loop_, admin, "/config_dump?resource=nothing").status, 404);
  EXPECT_NE(get(loop_, admin, "/config_dump?resource=static_clusters&name_regex=de.d").body.find("\"dead\""),
            std::string::npos);
  EXPECT_EQ(get(loop_, admin, "/config_dump?resource=static_clusters&name_regex=de.d").body.find("\"backend\""),
            std::string::npos);
  EXPECT_EQ(get(loop_, admin, "/config_dump?mask=bootstrap.node").body.find("static_resources"), std::string::npos);
}

TEST(AdminPeers, AreThisMachine) {
  for (const char* own : {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"})
    EXPECT_TRUE(is_of_this_machine(*net::Address::parse(own, 1))) << own;
  for (const char* other : {"10.0.0.1", "0.0.0.0", "::", "fe80::1", "::ffff:10.0.0.1"})
    EXPECT_FALSE(is_of_this_machine(*net::Address::parse(other, 1))) << other;
}

TEST(RequestMetricsOfPeers, AreSoManyAtMost) {
  RequestMetrics metrics;
  for (size_t i = 0; i < RequestMetrics::kMostPeers; ++i)
    EXPECT_NE(metrics.number_of_peer(Workload{.name = "w" + std::to_string(i)}), 0u);
  EXPECT_EQ(metrics.number_of_peer(Workload{.name = "one more"}), 0u);
  EXPECT_NE(metrics.number_of_peer(Workload{.name = "w0"}), 0u);
  EXPECT_NE(metrics.number_of(Workload{.name = "an endpoint's"}), 0u);
}

}  // namespace
}  // namespace proxy
