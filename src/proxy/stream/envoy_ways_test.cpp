// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"
#include "net/certificates_for_test.h"
#include "proxy/runtime/bootstrap.h"
#include "proxy/runtime/harness.h"

// Where a configuration written for Envoy counts on what Envoy does.
namespace proxy {
namespace {

using namespace proxy::testing;

class EnvoysWays : public ::testing::Test {
 protected:
  static constexpr const char* kRoute = "              - {match: {prefix: /}, route: {cluster: c}}\n";

  http::Response ask(Proxy& proxy, std::initializer_list<std::pair<std::string, std::string>> headers = {}) {
    http::Request out;
    out.authority = "shop";
    for (const auto& [name, value] : headers) out.headers.add(name, value);
    return fetch(loop_, proxy.port(), std::move(out));
  }
  double counted(Proxy& proxy, const std::string& name) {
    for (const auto& stat : proxy.process().scrape().stats())
      if (stat.name == name) return stat.value;
    return -1;
  }
  static std::string original(const std::string& more = "") {
    return "  - {name: c, type: ORIGINAL_DST, connect_timeout: 2s, lb_policy: CLUSTER_PROVIDED" + more + "}\n";
  }

  net::Loop loop_;
  Backend backend_{loop_};
};

TEST_F(EnvoysWays, WhatWasNotRedirectedHasNoOriginalDestination) {
  for (const char* more : {"", "    use_original_dst: true\n",
                           "    listener_filters: [{name: o, typed_config: {\"@type\": "
                           "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst}}]\n"}) {
    std::string text = bootstrap_of(kRoute, original());
    text.insert(text.find("    filter_chains:"), more);
    Proxy proxy(loop_, text);
    auto answer = ask(proxy);
    EXPECT_EQ(answer.status, 503) << more;
    EXPECT_EQ(answer.body, "no healthy upstream") << more;
    EXPECT_EQ(counted(proxy, "cluster.c.upstream_cx_total"), 0) << more;
  }
}

TEST_F(EnvoysWays, AHeaderMayTellTheOriginalDestination) {
  Proxy proxy(loop_, bootstrap_of(kRoute, original(", original_dst_lb_config: {use_http_header: true}")));
  const std::string there = "127.0.0.1:" + std::to_string(backend_.port());
  EXPECT_EQ(ask(proxy, {{"x-envoy-original-dst-host", there}}).status, 200);
  EXPECT_EQ(ask(proxy, {{"x-envoy-original-dst-host", "nowhere"}}).status, 503);
  EXPECT_EQ(ask(proxy).status, 503);
  EXPECT_EQ(counted(proxy, "cluster.c.original_dst_host_invalid"), 1);
}

TEST_F(EnvoysWays, AnEndpointThatSaysSoIsOutUntilItPassesItsChecks) {
  std::string above = bootstrap_of(
      "              - {match: {path: /well}, direct_response: {status: 200}}\n"
      "              - {match: {prefix: /}, direct_response: {status: 200}, response_headers_to_add: [{header: {key: "
      "x-envoy-immediate-health-check-fail, value: \"true\"}}]}\n",
      "  []\n");
  Proxy sick(loop_, above);
  Proxy proxy(loop_,
              bootstrap_of(kRoute, cluster_of("c", std::to_string(sick.port()),
                                              "    common_lb_config: {healthy_panic_threshold: {value: 0}}\n"
                                              "    health_checks: [{timeout: 5s, interval: 600s, no_traffic_interval: "
                                              "600s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: "
                                              "{path: /well}}]\n")));
  int status = 503;
  for (int i = 0; i < 2000 && status != 200; ++i) status = ask(proxy).status;
  ASSERT_EQ(status, 200);
  EXPECT_EQ(ask(proxy).status, 503);
  EXPECT_EQ(counted(proxy, "cluster.c.health_check.passive_failure"), 1);
  EXPECT_EQ(counted(proxy, "cluster.c.health_check.healthy"), 0);
}

TEST_F(EnvoysWays, AnswersOverHttp1AreHeldToTheClustersLimits) {
  auto with = [](const std::string& limits) {
    return "    typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": "
           "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: "
           "{http_protocol_options: {}}, common_http_protocol_options: {" +
           limits + "}}}\n";
  };
  for (const char* limits : {"max_headers_count: 5", "max_response_headers_kb: 1"}) {
    Proxy proxy(loop_, bootstrap_of(kRoute, cluster_of("c", "@backend", with(limits))), backend_.port());
    const std::string wide(300, 'x');
    EXPECT_EQ(ask(proxy, {{"a", wide}, {"b", wide}, {"c", wide}, {"d", wide}, {"e", wide}, {"f", wide}}).status, 502)
        << limits;
  }
  Proxy proxy(loop_, bootstrap_of(kRoute, cluster_of("c", "@backend", with("max_headers_count: 50"))), backend_.port());
  EXPECT_EQ(ask(proxy).status, 200);
}

TEST_F(EnvoysWays, AnAbsoluteTargetMayBeRefused) {
  Proxy proxy(loop_,
              bootstrap_of(kRoute, cluster_of("c", "@backend"),
                           "          http_protocol_options: {allow_absolute_url: false}\n"),
              backend_.port());
  const std::string rest = " HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
  EXPECT_TRUE(raw(loop_, proxy.port(), "GET http://a.example/z" + rest).starts_with("HTTP/1.1 404 "));
  EXPECT_TRUE(raw(loop_, proxy.port(), "GET /z" + rest).starts_with("HTTP/1.1 200 "));
}

TEST_F(EnvoysWays, AnOverwrittenSchemeIsToldUpstream) {
  Proxy proxy(loop_,
              bootstrap_of(kRoute, cluster_of("c", "@backend"),
                           "          scheme_header_transformation: {scheme_to_overwrite: https}\n"),
              backend_.port());
  EXPECT_EQ(ask(proxy, {{"x-forwarded-proto", "http"}}).headers.get("echo-x-forwarded-proto"), "https");
}

TEST_F(EnvoysWays, AHeadThatDoesNotComeInTimeIsARequestThatFailed) {
  Proxy proxy(loop_, bootstrap_of(kRoute, cluster_of("c", "@backend"), "          request_headers_timeout: 0.001s\n"),
              backend_.port());
  const std::string answer = raw(loop_, proxy.port(), "GET / HT");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 408 ")) << answer;
  EXPECT_NE(answer.find("\r\nserver: "), answer.npos) << answer;
  EXPECT_TRUE(answer.ends_with("request header timeout")) << answer;
  EXPECT_EQ(counted(proxy, "http.main.downstream_rq_header_timeout"), 1);
  EXPECT_EQ(counted(proxy, "http.main.downstream_rq_total"), 1);
  EXPECT_EQ(counted(proxy, "http.main.downstream_rq_4xx"), 1);
  Proxy whole(loop_, bootstrap_of(kRoute, cluster_of("c", "@backend"), "          request_timeout: 0.001s\n"),
              backend_.port());
  EXPECT_TRUE(raw(loop_, whole.port(), "GET / HT").ends_with("\r\n\r\nrequest timeout"));
}

TEST_F(EnvoysWays, AFilterOfAnUnknownTypeIsLeftOutWhereItIsOptional) {
  auto with = [&](const char* more) {
    return bootstrap_of(kRoute, cluster_of("c", std::to_string(backend_.port())), "",
                        std::string("{name: odd, ") + more +
                            "typed_config: {\"@type\": type.googleapis.com/some.where.v1.Odd, deep: {of: [it]}}}\n");
  };
  Proxy proxy(loop_, with("is_optional: true, "), backend_.port());
  EXPECT_EQ(ask(proxy).status, 200);
  auto refused = parse_bootstrap(with(""));
  ASSERT_TRUE(refused) << refused.error().message;
  auto why = validate(*refused);
  ASSERT_FALSE(why);
  for (const char* told : {"main", "odd", "some.where.v1.Odd"})
    EXPECT_NE(why.error().message.find(told), std::string::npos) << why.error().message;
}

// By= is the certificate of this very listener, and what formats call local likewise.
TEST_F(EnvoysWays, TheCertificateThatAListenerShowsIsWhoItIs) {
  net::TestAuthority authority;
  auto quoted = [](const std::string& pem) { return base::Json(pem).dump(); };
  const auto server = authority.leaf("a", "DNS:a.example,URI:spiffe://td/ns/x/sa/server");
  const auto client = authority.leaf("b", "URI:spiffe://td/ns/x/sa/client");
  std::string text = bootstrap_of(
      "              - {match: {prefix: /}, route: {cluster: c}, request_headers_to_add: [{header: {key: x-local, "
      "value: "
      "\"%DOWNSTREAM_LOCAL_URI_SAN% %DOWNSTREAM_LOCAL_DNS_SAN% %DOWNSTREAM_LOCAL_SUBJECT%\"}}]}\n",
      cluster_of("c", "@backend"),
      "          forward_client_cert_details: SANITIZE_SET\n"
      "          set_current_client_cert_details: {uri: true}\n");
  const std::string chains = "    filter_chains:\n    - filters:\n";
  text.replace(text.find(chains), chains.size(),
               "    filter_chains:\n    - transport_socket: {name: tls, typed_config: {\"@type\": "
               "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, "
               "require_client_certificate: true, common_tls_context: {validation_context: {trusted_ca: "
               "{inline_string: " +
                   quoted(authority.pem()) +
                   "}}, tls_certificates: [{certificate_chain: {inline_string: " + quoted(server.certificate) +
                   "}, private_key: {inline_string: " + quoted(server.key) + "}}]}}}\n      filters:\n");
  Proxy proxy(loop_, text, backend_.port());
  net::TlsSettings settings{.certificate_chain = client.certificate, .private_key = client.key};
  settings.trusted_roots = authority.pem();
  http::ClientOptions options{.host = "127.0.0.1", .port = proxy.port(), .server_name = "a.example"};
  options.tls = *net::TlsContext::client(settings);
  http::Client asking(loop_, std::move(options));
  auto answer = net::run_to_end(loop_, asking.fetch(http::Request()));
  ASSERT_TRUE(answer) << answer.error().message;
  const std::string cert(answer->headers.get("echo-x-forwarded-client-cert").value_or(""));
  EXPECT_TRUE(cert.starts_with("By=spiffe://td/ns/x/sa/server;Hash=")) << cert;
  EXPECT_TRUE(cert.ends_with(";URI=spiffe://td/ns/x/sa/client")) << cert;
  EXPECT_EQ(answer->headers.get("echo-x-local"), "spiffe://td/ns/x/sa/server a.example O=seine tests,CN=a");
}

}  // namespace
}  // namespace proxy
