// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/process.h"

#include "proxy/admin/dump.h"
#include "proxy/runtime/harness.h"

namespace proxy {
namespace {

using namespace proxy::testing;

class ProxyOnSockets : public ::testing::Test {
 protected:
  // Nobody listens on the port that `dead` names.
  std::string usual(const std::string& routes, const std::string& options = "") {
    return bootstrap_of(
        routes, cluster_of("backend", "@backend") + cluster_of("dead", "1") + "  - {name: empty, type: STATIC}\n",
        options);
  }
  net::Loop loop_;
  Backend backend_{loop_};
};

constexpr const char* kAll = "              - {match: {prefix: /}, route: {cluster: backend}}\n";

TEST_F(ProxyOnSockets, ForwardsARequestAndSaysSoInTheHeaders) {
  Proxy proxy(loop_, usual(kAll), backend_.port());
  http::Request request;
  request.method = "POST";
  request.path = "/things?x=1";
  request.authority = "shop.example.com";
  request.body = "hello";
  auto response = fetch(loop_, proxy.port(), std::move(request));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "POST /things?x=1 host=shop.example.com body=5");
  EXPECT_EQ(response.headers.get("server"), "envoy");
  EXPECT_TRUE(response.headers.contains("x-envoy-upstream-service-time"));
  EXPECT_TRUE(response.headers.contains("date"));
  EXPECT_EQ(response.headers.get("echo-x-forwarded-proto"), "http");
  EXPECT_EQ(response.headers.get("echo-x-request-id").value_or("").size(), 36u);
  EXPECT_EQ(response.headers.get("echo-x-envoy-attempt-count"), "1");
  EXPECT_EQ(response.headers.get("echo-x-envoy-expected-rq-timeout-ms"), "15000");
}

TEST_F(ProxyOnSockets, HeadersThatConnectionNamesAreForOneHop) {
  Proxy proxy(loop_, usual(kAll), backend_.port());
  std::string answer =
      raw(loop_, proxy.port(),
          "GET / HTTP/1.1\r\nhost: a\r\nconnection: close, x-secret\r\nx-secret: 1\r\nx-open: 1\r\n\r\n");
  EXPECT_NE(answer.find("echo-x-open"), std::string::npos) << answer;
  EXPECT_EQ(answer.find("echo-x-secret"), std::string::npos) << answer;
}

TEST_F(ProxyOnSockets, SpeaksHttp2WithAClientAndHttp1WithTheUpstream) {
  Proxy proxy(loop_, usual(kAll), backend_.port());
  http::Request request;
  request.method = "POST";
  request.path = "/h2";
  request.body = bytes(300'000);
  auto response = fetch(loop_, proxy.port(), std::move(request), http::Version::Http2);
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(response.body.ends_with("body=300000")) << response.body;
  EXPECT_EQ(get(loop_, proxy.port(), "/big", http::Version::Http2).body.size(), 5'000'000u);
}

TEST_F(ProxyOnSockets, SpeaksHttp2WithAnUpstreamThatIsSaidTo) {
  std::string options = R"(    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
)";
  Proxy proxy(loop_, bootstrap_of(kAll, cluster_of("backend", "@backend", options)), backend_.port());
  auto response = get(loop_, proxy.port(), "/x");
  EXPECT_TRUE(response.body.ends_with(" h2")) << response.body;
  EXPECT_EQ(get(loop_, proxy.port(), "/big").body.size(), 5'000'000u);
  EXPECT_EQ(get(loop_, proxy.port(), "/big", http::Version::Http2).body.size(), 5'000'000u);
}

TEST_F(ProxyOnSockets, BodiesPassInBothDirectionsWhateverTheirSize) {
  Proxy proxy(loop_, usual(kAll), backend_.port());
  EXPECT_EQ(get(loop_, proxy.port(), "/big").body.size(), 5'000'000u);
  http::Request request;
  request.method = "PUT";
  request.path = "/up";
  request.body = bytes(3'000'000);
  EXPECT_TRUE(fetch(loop_, proxy.port(), std::move(request)).body.ends_with("body=3000000"));
  auto head = [&] {
    http::Request request;
    request.method = "HEAD";
    return fetch(loop_, proxy.port(), std::move(request));
  }();
  EXPECT_EQ(head.status, 200);
  EXPECT_TRUE(head.body.empty());
}

TEST_F(ProxyOnSockets, PipelinedRequestsAreAnsweredInOrder) {
  Proxy proxy(loop_, usual(kAll), backend_.port());
  std::string answer =
      raw(loop_, proxy.port(),
          "GET /one HTTP/1.1\r\nhost: a\r\n\r\nPOST /two HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
          "3\r\nabc\r\n0\r\n\r\nGET /three HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  size_t one = answer.find("GET /one"), two = answer.find("POST /two host=a body=3"), three = answer.find("GET /three");
  EXPECT_LT(one, two) << answer;
  EXPECT_LT(two, three) << answer;
  EXPECT_NE(three, std::string::npos) << answer;
}

TEST_F(ProxyOnSockets, WhatIsNoHttpIsRefusedAndTheConnectionClosed) {
  Proxy proxy(loop_, usual(kAll), backend_.port());
  std::string answer =
      raw(loop_, proxy.port(), "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << answer;
  EXPECT_NE(answer.find("connection: close"), std::string::npos);
  EXPECT_EQ(backend_.requests, 0);
}

TEST_F(ProxyOnSockets, AnswersInEnvoysWordsWhereItCannotForward) {
  Proxy proxy(loop_,
              usual("              - {match: {prefix: /dead}, route: {cluster: dead}}\n"
                    "              - {match: {prefix: /none}, route: {cluster: none}}\n"
                    "              - {match: {prefix: /empty}, route: {cluster: empty}}\n"
                    "              - {match: {prefix: /close}, route: {cluster: backend}}\n"
                    "              - {match: {prefix: /slow}, route: {cluster: backend, timeout: 0.05s}}\n"),
              backend_.port());
  auto dead = get(loop_, proxy.port(), "/dead");
  EXPECT_EQ(dead.status, 503);
  EXPECT_EQ(dead.body,
            "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure");
  auto none = get(loop_, proxy.port(), "/none");
  EXPECT_EQ(none.status, 503);
  EXPECT_EQ(none.body, "");
  auto empty = get(loop_, proxy.port(), "/empty");
  EXPECT_EQ(empty.status, 503);
  EXPECT_EQ(empty.body, "no healthy upstream");
  auto close = get(loop_, proxy.port(), "/close");
  EXPECT_EQ(close.status, 503);
  EXPECT_EQ(close.body,
            "upstream connect error or disconnect/reset before headers. reset reason: connection termination");
  auto slow = get(loop_, proxy.port(), "/slow");
  EXPECT_EQ(slow.status, 504);
  EXPECT_EQ(slow.body, "upstream request timeout");
  EXPECT_EQ(get(loop_, proxy.port(), "/elsewhere").status, 404);
}

TEST_F(ProxyOnSockets, RetriesAsTheRouteSays) {
  Proxy proxy(loop_,
              usual("              - {match: {prefix: /fail-first/}, route: {cluster: backend, retry_policy: "
                    "{retry_on: 5xx, num_retries: 2}}}\n"
                    "              - {match: {prefix: /status/}, route: {cluster: backend, retry_policy: {retry_on: "
                    "5xx, num_retries: 2}}}\n"
                    "              - {match: {prefix: /}, route: {cluster: backend, retry_policy: {retry_on: "
                    "connect-failure}}}\n"),
              backend_.port());
  http::Request request;
  request.method = "POST";
  request.path = "/fail-first/a";
  request.body = "kept for the second try";
  auto response = fetch(loop_, proxy.port(), std::move(request));
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(response.body.ends_with("body=23")) << response.body;
  EXPECT_EQ(response.headers.get("echo-x-envoy-attempt-count"), "2");
  int before = backend_.requests;
  EXPECT_EQ(get(loop_, proxy.port(), "/status/503").status, 503);
  EXPECT_EQ(backend_.requests - before, 3);
  before = backend_.requests;
  EXPECT_EQ(get(loop_, proxy.port(), "/other").status, 200);
  EXPECT_EQ(backend_.requests - before, 1);
}

TEST_F(ProxyOnSockets, RedirectsAndAnswersDirectly) {
  Proxy proxy(
      loop_,
      usual("              - {match: {prefix: /old}, redirect: {path_redirect: /new, response_code: "
            "TEMPORARY_REDIRECT}}\n"
            "              - {match: {path: /here}, direct_response: {status: 418, body: {inline_string: teapot}}}\n"));
  auto moved = get(loop_, proxy.port(), "/old");
  EXPECT_EQ(moved.status, 307);
  EXPECT_EQ(moved.headers.get("location"), "http://127.0.0.1:" + std::to_string(proxy.port()) + "/new");
  auto here = get(loop_, proxy.port(), "/here");
  EXPECT_EQ(here.status, 418);
  EXPECT_EQ(here.body, "teapot");
  EXPECT_EQ(counted(proxy)["http.main.rq_direct_response"], 2) << "a redirect is one too";
  EXPECT_EQ(counted(proxy)["http.main.rq_redirect"], 1);
}

TEST_F(ProxyOnSockets, HeadersAndPathsAreChangedAsTheRouteSays) {
  Proxy proxy(loop_, usual(R"(              - match: {prefix: /api/}
                request_headers_to_add: [{header: {key: x-added, value: "from %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}}]
                request_headers_to_remove: [x-drop]
                response_headers_to_add: [{header: {key: x-served, value: "1"}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}]
                route: {cluster: backend, prefix_rewrite: /v1/, host_rewrite_literal: inner.example.com}
)"),
              backend_.port());
  http::Request request;
  request.path = "/api/users";
  request.headers.add("x-drop", "1");
  auto response = fetch(loop_, proxy.port(), std::move(request));
  EXPECT_EQ(response.body, "GET /v1/users host=inner.example.com body=0");
  EXPECT_EQ(response.headers.get("echo-x-added"), "from 127.0.0.1");
  EXPECT_EQ(response.headers.get("echo-x-envoy-original-path"), "/api/users");
  EXPECT_FALSE(response.headers.contains("echo-x-drop"));
  EXPECT_EQ(response.headers.get("x-served"), "1");
}

TEST_F(ProxyOnSockets, AFaultIsInjectedByTheRoutesPolicy) {
  Proxy proxy(loop_, usual(R"(              - match: {prefix: /}
                route: {cluster: backend}
                typed_per_filter_config:
                  envoy.filters.http.fault:
                    "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
                    delay: {fixed_delay: 0.02s, percentage: {numerator: 100}}
                    abort: {http_status: 555, percentage: {numerator: 100}}
                    headers: [{name: x-user, string_match: {exact: jason}}]
)"),
              backend_.port());
  EXPECT_EQ(get(loop_, proxy.port(), "/").status, 200);
  http::Request request;
  request.headers.add("x-user", "jason");
  auto response = fetch(loop_, proxy.port(), std::move(request));
  EXPECT_EQ(response.status, 555);
  EXPECT_EQ(response.body, "fault filter abort");
}

TEST_F(ProxyOnSockets, AFaultIsWhatTheRequestAsksForWhereItMay) {
  auto route = [](const std::string& path, const std::string& cluster) {
    return "              - {match: {prefix: " + path +
           "}, route: {cluster: backend}, typed_per_filter_config: {envoy.filters.http.fault: {\"@type\": "
           "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, "
           "abort: {header_abort: {}, percentage: {numerator: 100}}, upstream_cluster: " +
           cluster + "}}}\n";
  };
  Proxy proxy(loop_, usual(route("/free", "dead") + route("/", "backend")), backend_.port());
  auto status = [&](std::initializer_list<std::pair<const char*, const char*>> headers, const char* path = "/") {
    http::Request request;
    request.path = path;
    for (auto [name, value] : headers) request.headers.add(name, value);
    return fetch(loop_, proxy.port(), std::move(request)).status;
  };
  EXPECT_EQ(status({}), 200) << "a request that asks for nothing gets no fault";
  EXPECT_EQ(status({{"x-envoy-fault-abort-request", "418"}}), 418);
  EXPECT_EQ(status({{"x-envoy-fault-abort-request", "99"}}), 200);
  EXPECT_EQ(status({{"x-envoy-fault-abort-request", "418"}}, "/free"), 200) << "the fault is another cluster's";
  EXPECT_EQ(status({{"x-envoy-fault-abort-request", "418"}, {"x-envoy-fault-abort-request-percentage", "0"}}), 200);
}

TEST_F(ProxyOnSockets, AnUpgradedConnectionCarriesWhateverItsEndsSay) {
  Proxy proxy(loop_, usual(kAll, "          upgrade_configs: [{upgrade_type: websocket}]\n"), backend_.port());
  // The backend does not upgrade; it answers as to any request, and that passes too.
  std::string answer = raw(loop_, proxy.port(),
                           "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
                           "GET /after HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  EXPECT_NE(answer.find("GET /ws"), std::string::npos) << answer;
  Proxy plain(loop_, usual(kAll), backend_.port());
  answer = raw(loop_, plain.port(),
               "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: Upgrade, close\r\nupgrade: websocket\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 403")) << answer;
}

TEST_F(ProxyOnSockets, CopiesBytesWhereTheChainIsATcpProxy) {
  std::string text = R"(
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - {name: tcp, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: backend}}
  clusters:
)" + cluster_of("backend", "@backend");
  Proxy proxy(loop_, text, backend_.port());
  EXPECT_TRUE(get(loop_, proxy.port(), "/big").body == get(loop_, backend_.port(), "/big").body)
      << "spliced, to the byte";
  http::Request upload;
  upload.method = "POST";
  upload.body = bytes(3'000'000);
  EXPECT_TRUE(fetch(loop_, proxy.port(), std::move(upload)).body.ends_with("body=3000000"));
  EXPECT_EQ(get(loop_, proxy.port(), "/x", http::Version::Http2).body,
            "GET /x host=127.0.0.1:" + std::to_string(proxy.port()) + " body=0 h2");
}

TEST_F(ProxyOnSockets, ABadBootstrapIsRefusedWithTheReason) {
  auto started = [&](const std::string& text) {
    auto bootstrap = parse_bootstrap(text);
    if (!bootstrap) return bootstrap.error().message;
    auto good = validate(*bootstrap);
    return good ? std::string("good") : good.error().message;
  };
  EXPECT_EQ(started(usual(kAll).replace(usual(kAll).find("@backend"), 8, "80")), "good");
  EXPECT_NE(started("static_resources: {clusterz: []}").find("clusterz"), std::string::npos);
  std::string unknown = usual(kAll);
  unknown.replace(unknown.find("@backend"), 8, "80");
  unknown.replace(unknown.find("prefix: /}"), 9, "safe_regex: {regex: \"(\"}");
  EXPECT_NE(started(unknown).find("regular expression"), std::string::npos) << started(unknown);
}

TEST_F(ProxyOnSockets, CountsWhatItDidAndShowsItsConfiguration) {
  Proxy proxy(loop_, usual(kAll), backend_.port());
  for (int i = 0; i < 3; ++i) get(loop_, proxy.port(), "/");
  get(loop_, proxy.port(), "/status/500");
  auto scrape = proxy.process().scrape();
  std::string text = scrape.prometheus();
  EXPECT_NE(text.find("envoy_http_downstream_rq_total{envoy_http_conn_manager_prefix=\"main\"} 4\n"), std::string::npos)
      << text;
  EXPECT_NE(
      text.find("envoy_cluster_upstream_rq_xx{envoy_cluster_name=\"backend\",envoy_response_code_class=\"2\"} 3\n"),
      std::string::npos)
      << text;
  auto dump = *config_dump(proxy.process(), {.endpoints = true});
  EXPECT_EQ(dump["configs"][1]["static_clusters"][0]["cluster"]["name"], "backend");
  EXPECT_EQ(dump["configs"][3]["static_listeners"][0]["listener"]["name"], "main");
  EXPECT_EQ(dump["configs"][5]["static_route_configs"][0]["route_config"]["name"], "local");
}

}  // namespace
}  // namespace proxy
