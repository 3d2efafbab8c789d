// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "net/certificates_for_test.h"
#include "proxy/runtime/blocking_socket.h"
#include "proxy/runtime/harness.h"

// What clusters do, with a whole proxy on sockets.
namespace proxy {
namespace {

using namespace proxy::testing;

constexpr const char* kAll = "              - {match: {prefix: /}, route: {cluster: c}}\n";

// A name server that knows every name, as 127.0.0.1, until it knows none.
class NameServer {
 public:
  NameServer() : fd_(socket(AF_INET, SOCK_DGRAM, 0)) {
    auto any = *net::Address::parse("127.0.0.1", 0);
    EXPECT_EQ(bind(fd_, any.data(), any.size()), 0);
    sockaddr_in bound{};
    socklen_t size = sizeof bound;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&bound), &size);
    port_ = ntohs(bound.sin_port);
    thread_ = std::thread([this] {
      char query[512];
      sockaddr_in from{};
      socklen_t from_size = sizeof from;
      for (ssize_t count;
           (count = recvfrom(fd_, query, sizeof query, 0, reinterpret_cast<sockaddr*>(&from), &from_size)) > 12;) {
        std::string answer(query, static_cast<size_t>(count));
        size_t end = 12;  // of the question (RFC 1035, 4.1)
        while (answer[end]) end += static_cast<size_t>(answer[end]) + 1;
        const bool address = answer[end + 2] == 1;
        answer.resize(end + 5);
        answer[2] = static_cast<char>(0x81);
        answer[3] = static_cast<char>(none ? 0x83 : 0x80);
        for (size_t at = 6; at < 12; ++at) answer[at] = 0;
        if (address && !none) {
          answer[7] = 1;
          answer.append("\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x7f\0\0\1", 16);
        }
        sendto(fd_, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), from_size);
      }
    });
  }
  ~NameServer() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }
  std::string port() const { return std::to_string(port_); }
  std::atomic<bool> none{false};

 private:
  int fd_;
  uint16_t port_ = 0;
  std::thread thread_;
};

class Upstreams : public ::testing::Test {
 protected:
  std::string backend() const { return std::to_string(backend_.port()); }
  // Asks until the answer is `status`; false: it never was.
  bool becomes(Proxy& proxy, int status) {
    for (int i = 0; i < 2000; ++i)
      if (get(loop_, proxy.port(), "/").status == status) return true;
    return false;
  }
  std::string metrics(Proxy& proxy) { return proxy.process().scrape().prometheus(); }

  net::Loop loop_;
  Backend backend_{loop_};
};

TEST_F(Upstreams, AnInterimAnswerBringsItsFieldsAndDoesNotBeginTheAnswer) {
  const std::string request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
  RawServer hints(
      "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\nconnection: x-own\r\nx-own: 1\r\n\r\n"
      "HTTP/1.1 204 No Content\r\n\r\n");
  Proxy proxy(loop_, bootstrap_of(kAll, cluster_at({hints.port()}, "")));
  const std::string answer = raw(loop_, proxy.port(), request);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 204 ")) << answer;
  RawServer gone("HTTP/1.1 103 Early Hints\r\n\r\n");
  Proxy other(loop_, bootstrap_of(kAll, cluster_at({gone.port()}, "")));
  EXPECT_NE(raw(loop_, other.port(), request).find("HTTP/1.1 503 "), std::string::npos) << "the connection is at fault";
}

TEST_F(Upstreams, AnAnswerThatIsWholeOutlivesItsHttp2Connection) {
  const std::string h2 = "    http2_protocol_options: {}\n";
  auto server = std::make_unique<http::Server>(loop_, [](std::shared_ptr<http::Exchange> exchange) -> net::Task<void> {
    exchange->respond(200, std::string(3000, 'x'));
    co_return;
  });
  const auto address = server->listen(*net::Address::parse("127.0.0.1", 0));
  Proxy proxy(loop_,
              bootstrap_of(kAll, cluster_at({std::to_string(address->port())}, h2), "",
                           "{name: fault, typed_config: {\"@type\": "
                           "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, "
                           "response_rate_limit: {fixed_limit: {limit_kbps: 10}, percentage: {numerator: 100}}}}"));
  auto end = [&]() -> net::Task<void> {
    co_await net::sleep(loop_, std::chrono::milliseconds(120));
    server.reset();
  };
  net::spawn(end());
  auto response = get(loop_, proxy.port(), "/");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body.size(), 3000u);
  EXPECT_FALSE(server) << "it was gone before all of that had been passed on";
}

TEST_F(Upstreams, OneRequestTooManyIsToldOfTheOverload) {
  Proxy proxy(
      loop_,
      bootstrap_of(
          kAll,
          cluster_at({backend()},
                     "    circuit_breakers: {thresholds: [{max_pending_requests: 0, track_remaining: true}]}\n")));
  auto response = get(loop_, proxy.port(), "/");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.headers.get("x-envoy-overloaded"), "true");
  EXPECT_EQ(response.body, "upstream connect error or disconnect/reset before headers. reset reason: overflow");
  const std::string seen = metrics(proxy);
  EXPECT_NE(seen.find("envoy_cluster_upstream_rq_pending_overflow{envoy_cluster_name=\"c\"} 1"), std::string::npos);
  EXPECT_NE(seen.find("envoy_cluster_circuit_breakers_default_remaining_pending{envoy_cluster_name=\"c\"} 0"),
            std::string::npos);
  EXPECT_NE(seen.find("envoy_cluster_circuit_breakers_default_rq_pending_open{envoy_cluster_name=\"c\"} 1"),
            std::string::npos);
}

TEST_F(Upstreams, NoRetryBeyondWhatTheClusterMayHave) {
  const std::string routes =
      "              - {match: {prefix: /}, route: {cluster: c, retry_policy: {retry_on: 5xx, num_retries: 3}}}\n";
  Proxy none(loop_,
             bootstrap_of(routes, cluster_at({backend()}, "    circuit_breakers: {thresholds: [{max_retries: 0}]}\n")));
  EXPECT_EQ(get(loop_, none.port(), "/fail-first/none").status, 503);
  EXPECT_NE(metrics(none).find("envoy_cluster_upstream_rq_retry_overflow{envoy_cluster_name=\"c\"} 1"),
            std::string::npos);
  Proxy budget(
      loop_,
      bootstrap_of(routes, cluster_at({backend()},
                                      "    circuit_breakers: {thresholds: [{max_retries: 0, retry_budget: {}}]}\n")));
  EXPECT_EQ(get(loop_, budget.port(), "/fail-first/budget").status, 200);
}

TEST_F(Upstreams, AnEndpointThatCannotBeReachedIsEjectedForAllWorkers) {
  Proxy proxy(
      loop_,
      bootstrap_of(
          kAll,
          cluster_at(
              {backend(), "1"},
              "    outlier_detection: {consecutive_5xx: 1, max_ejection_percent: 50, base_ejection_time: 3600s}\n")));
  ASSERT_TRUE(becomes(proxy, 503)) << "nobody listens on port 1";
  for (int i = 0; i < 30; ++i) EXPECT_EQ(get(loop_, proxy.port(), "/").status, 200);
  const std::string seen = metrics(proxy);
  EXPECT_NE(seen.find("envoy_cluster_outlier_detection_ejections_active{envoy_cluster_name=\"c\"} 1"),
            std::string::npos);
  EXPECT_NE(seen.find("envoy_cluster_outlier_detection_ejections_enforced_consecutive_5xx{envoy_cluster_name=\"c\"} 1"),
            std::string::npos);
}

TEST_F(Upstreams, ActiveChecksFindWhoIsWell) {
  for (const char* check : {"http_health_check: {path: /status/204, expected_statuses: [{start: 204, end: 205}]}",
                            "tcp_health_check: {}"}) {
    const std::string more =
        "    common_lb_config: {healthy_panic_threshold: {value: 0}}\n    health_checks:\n    - {timeout: 5s, "
        "interval: 0.05s, "
        "no_traffic_interval: 0.05s, unhealthy_threshold: 2, healthy_threshold: 2, " +
        std::string(check) + "}\n";
    Proxy proxy(loop_, bootstrap_of(kAll, cluster_at({backend(), "1"}, more)));
    ASSERT_TRUE(becomes(proxy, 200)) << check;
    for (int i = 0; i < 20; ++i) EXPECT_EQ(get(loop_, proxy.port(), "/").status, 200) << check;
    EXPECT_NE(metrics(proxy).find("envoy_cluster_health_check_healthy{envoy_cluster_name=\"c\"} 1"), std::string::npos);
  }
}

TEST_F(Upstreams, AFailedCheckTakesTheEndpointOut) {
  const std::string more =
      "    common_lb_config: {healthy_panic_threshold: {value: 0}}\n    health_checks:\n    - {timeout: 5s, interval: "
      "0.02s, "
      "no_traffic_interval: 0.02s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: {path: "
      "/status/500}}\n";
  Proxy proxy(loop_, bootstrap_of(kAll, cluster_at({backend()}, more)));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(get(loop_, proxy.port(), "/").status, 503);
}

TEST_F(Upstreams, NamesAreResolvedInTheWantedFamily) {
  for (const char* type : {"STRICT_DNS", "LOGICAL_DNS"}) {
    Proxy proxy(
        loop_, bootstrap_of(kAll, cluster_at({backend()}, "    dns_lookup_family: V4_ONLY\n    respect_dns_ttl: true\n",
                                             type, "localhost")));
    EXPECT_TRUE(becomes(proxy, 200)) << type;
  }
}

TEST_F(Upstreams, ANameThatIsGoneTakesItsEndpointsAlong) {
  for (const char* type : {"STRICT_DNS", "LOGICAL_DNS"}) {
    NameServer names;
    Proxy proxy(loop_,
                bootstrap_of(kAll, cluster_at({backend()},
                                              "    dns_refresh_rate: 0.01s\n    dns_resolvers: [{socket_address: "
                                              "{address: 127.0.0.1, port_value: " +
                                                  names.port() + "}}]\n",
                                              type, "away.test")));
    EXPECT_TRUE(becomes(proxy, 200)) << type;
    names.none = true;
    if (type == std::string_view("LOGICAL_DNS")) {  // stays where it was
      for (int i = 0; i < 50; ++i) EXPECT_EQ(get(loop_, proxy.port(), "/").status, 200);
      continue;
    }
    EXPECT_TRUE(becomes(proxy, 503));
    const auto stats = counted(proxy);
    EXPECT_GE(stats.at("cluster.c.update_empty"), 1);
    EXPECT_GE(stats.at("cluster.c.update_success"), 2) << "that there is nobody is an answer, too";
    EXPECT_EQ(stats.at("cluster.c.update_failure"), 0);
    EXPECT_LE(stats.at("cluster.c.update_success"), stats.at("cluster.c.update_attempt"));
    names.none = false;
    EXPECT_TRUE(becomes(proxy, 200));
  }
}

TEST_F(Upstreams, TlsParametersAreThoseOfBothSides) {
  net::TestAuthority authority;
  const auto leaf = authority.leaf("server", "DNS:good.example");
  auto quoted = [](const std::string& pem) { return base::Json(pem).dump(); };
  std::string text = bootstrap_of("              - {match: {prefix: /}, direct_response: {status: 200}}\n", "  []\n");
  text.replace(
      text.find("    - filters:\n"), 15,
      "    - transport_socket: {name: tls, typed_config: {\"@type\": "
      "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, "
      "common_tls_context: {tls_params: {tls_maximum_protocol_version: TLSv1_2, "
      "cipher_suites: ['[ECDHE-ECDSA-AES256-GCM-SHA384|ECDHE-ECDSA-AES128-GCM-SHA256]'], ecdh_curves: [P-256]}, "
      "tls_certificates: [{certificate_chain: {inline_string: " +
          quoted(leaf.certificate) + "}, private_key: {inline_string: " + quoted(leaf.key) +
          "}}]}}}\n      filters:\n");
  Proxy server(loop_, text);
  auto status = [&](const std::string& parameters) {
    Proxy client(loop_, bootstrap_of(kAll, cluster_at({std::to_string(server.port())},
                                                      "    transport_socket: {name: tls, typed_config: {\"@type\": "
                                                      "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."
                                                      "UpstreamTlsContext, common_tls_context: {validation_context: "
                                                      "{trusted_ca: {inline_string: " +
                                                          quoted(authority.pem()) + "}}, tls_params: {" + parameters +
                                                          "}}}}\n")));
    return get(loop_, client.port(), "/").status;
  };
  EXPECT_EQ(status(""), 200);
  EXPECT_EQ(status("tls_minimum_protocol_version: TLSv1_3"), 503);
  EXPECT_EQ(status("cipher_suites: [ECDHE-ECDSA-AES128-GCM-SHA256]"), 200);
  EXPECT_EQ(status("cipher_suites: [ECDHE-ECDSA-CHACHA20-POLY1305]"), 503);
  EXPECT_EQ(status("ecdh_curves: [X25519]"), 503);
}

TEST_F(Upstreams, ThePeersNameIsTheOneAskedFor) {
  net::TestAuthority authority;
  const auto leaf = authority.leaf("server", "DNS:good.example,DNS:*.wild.example,IP:127.0.0.1");
  auto quoted = [](const std::string& pem) { return base::Json(pem).dump(); };
  const std::string certificate = "{certificate_chain: {inline_string: " + quoted(leaf.certificate) +
                                  "}, private_key: {inline_string: " + quoted(leaf.key) + "}}";
  std::string text = bootstrap_of("              - {match: {prefix: /}, direct_response: {status: 200}}\n", "  []\n");
  const std::string tls =
      "    - transport_socket: {name: tls, typed_config: {\"@type\": "
      "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, "
      "common_tls_context: {tls_certificates: [" +
      certificate + "], alpn_protocols: [h2]}}}\n      filters:\n";
  text.replace(text.find("    - filters:\n"), 15, tls);
  Proxy server(loop_, text);
  auto client = [&](const std::string& validation, const std::string& options) {
    return bootstrap_of(kAll,
                        cluster_at({std::to_string(server.port())},
                                   "    transport_socket: {name: tls, typed_config: {\"@type\": "
                                   "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, "
                                   "common_tls_context: {validation_context: {trusted_ca: {inline_string: " +
                                       quoted(authority.pem()) + "}" + validation + "}}}}\n" + options));
  };
  auto ask = [&](Proxy& proxy, const std::string& host) {
    http::Request request;
    request.authority = host;
    request.path = "/";
    return fetch(loop_, proxy.port(), std::move(request)).status;
  };
  const std::string automatic =
      "    typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": "
      "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, auto_config: {}, "
      "upstream_http_protocol_options: {auto_sni: true, auto_san_validation: true}}}\n";
  Proxy by_host(loop_, client("", automatic));
  EXPECT_EQ(ask(by_host, "good.example"), 200);
  EXPECT_EQ(ask(by_host, "a.wild.example:8443"), 200);
  EXPECT_EQ(ask(by_host, "a.b.wild.example"), 503);
  EXPECT_EQ(ask(by_host, "evil.example"), 503) << "a connection for another name is not for this one";
  EXPECT_EQ(ask(by_host, "127.0.0.1"), 200);
  const std::string counted = by_host.process().scrape().prometheus();
  const size_t at = counted.find("envoy_cluster_upstream_cx_http2_total{");
  EXPECT_EQ(counted.substr(at, counted.find('\n', at) - at).back(), '3') << "chosen by ALPN, one for each name";
  auto san = [](const std::string& type, const std::string& matcher) {
    return ", match_typed_subject_alt_names: [{san_type: " + type + ", matcher: {" + matcher + "}}]";
  };
  Proxy by_ip(loop_, client(san("IP_ADDRESS", "exact: 127.0.0.1"), ""));
  EXPECT_EQ(ask(by_ip, "any"), 200);
  Proxy by_regex(loop_, client(san("DNS", "safe_regex: {regex: 'g.*example'}"), ""));
  EXPECT_EQ(ask(by_regex, "any"), 200);
  Proxy by_uri(loop_, client(san("URI", "prefix: good"), ""));
  EXPECT_EQ(ask(by_uri, "any"), 503);
}

TEST_F(Upstreams, TheProxyProtocolNamesTheDownstream) {
  RawServer server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  Proxy proxy(
      loop_,
      bootstrap_of(kAll,
                   cluster_at({server.port()},
                              "    transport_socket: {name: p, typed_config: {\"@type\": "
                              "type.googleapis.com/"
                              "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport, "
                              "transport_socket: {name: raw, typed_config: {\"@type\": "
                              "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}}}\n")));
  EXPECT_EQ(get(loop_, proxy.port(), "/x").body, "ok");
  const std::string& got = server.got();
  EXPECT_TRUE(got.starts_with("PROXY TCP4 127.0.0.1 127.0.0.1 ")) << got;
  const size_t end = got.find("\r\n");
  EXPECT_TRUE(std::string_view(got).substr(0, end).ends_with(" " + std::to_string(proxy.port()))) << got;
  EXPECT_TRUE(std::string_view(got).substr(end + 2).starts_with("GET /x HTTP/1.1\r\n")) << got;
}

TEST_F(Upstreams, AnUpstreamThatBreaksHttp2IsABadGateway) {
  RawServer server(std::string("\0\0\x05\x00\x01\0\0\0\x07junk!", 14));  // DATA on a stream that nobody opened
  Proxy proxy(loop_, bootstrap_of(kAll, cluster_at({server.port()}, "    http2_protocol_options: {}\n")));
  auto response = get(loop_, proxy.port(), "/");
  EXPECT_EQ(response.status, 502);
  EXPECT_NE(response.body.find("protocol error"), std::string::npos) << response.body;
}

TEST_F(Upstreams, RequestsGoToTheSubsetThatTheirRouteAndTheirMetadataName) {
  Backend second(loop_), canary(loop_);
  auto endpoint = [](const Backend& at, const std::string& labels) {
    return "{metadata: {filter_metadata: {envoy.lb: {" + labels +
           "}}}, endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: " + std::to_string(at.port()) +
           "}}}}";
  };
  auto cluster_with = [&](const std::string& name, const std::string& fallback) {
    return "  - name: " + name + "\n    type: STATIC\n    lb_subset_config: {" + fallback +
           ", subset_selectors: [{keys: [v]}, {keys: [v, stage], fallback_policy: KEYS_SUBSET, fallback_keys_subset: "
           "[v]}]}\n    load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [" +
           endpoint(backend_, "v: 1") + ", " + endpoint(second, "v: 2") + ", " +
           endpoint(canary, "v: 2, stage: canary") + "]}]}\n";
  };
  auto match = [](const std::string& labels) {
    return "metadata_match: {filter_metadata: {envoy.lb: {" + labels + "}}}";
  };
  auto route = [](const std::string& path, const std::string& action) {
    return "              - {match: {prefix: " + path + "}, route: {" + action + "}}\n";
  };
  Proxy proxy(loop_, bootstrap_of(route("/one", "cluster: c, " + match("v: 1")) +
                                      route("/canary", "cluster: c, " + match("v: 2, stage: canary")) +
                                      route("/fewer", "cluster: c, " + match("v: 1, stage: lost")) +
                                      route("/lost", "cluster: c, " + match("v: 9")) +
                                      route("/strict", "cluster: strict, " + match("v: 9")) +
                                      route("/weighted", "weighted_clusters: {clusters: [{name: c, weight: 1, " +
                                                             match("stage: canary") + "}]}, " + match("v: 2")) +
                                      route("/", "cluster: c"),
                                  cluster_with("c", "fallback_policy: DEFAULT_SUBSET, default_subset: {v: 1}") +
                                      cluster_with("strict", "panic_mode_any: true"),
                                  "",
                                  "{name: h, typed_config: {\"@type\": "
                                  "type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config, "
                                  "request_rules: [{header: x-v, on_header_present: {metadata_namespace: envoy.lb, "
                                  "key: v, type: NUMBER}}, {header: "
                                  "x-stage, on_header_present: {metadata_namespace: envoy.lb, key: stage}}]}}"));
  auto counted = [&](const std::string& path, std::vector<std::pair<std::string, std::string>> headers = {}) {
    const std::vector<int> before{backend_.requests, second.requests, canary.requests};
    for (int i = 0; i < 4; ++i) {
      http::Request request;
      request.path = path;
      for (const auto& [name, value] : headers) request.headers.add(name, value);
      EXPECT_EQ(fetch(loop_, proxy.port(), std::move(request)).status, 200) << path;
    }
    return std::vector<int>{backend_.requests - before[0], second.requests - before[1], canary.requests - before[2]};
  };
  const std::vector<int> first{4, 0, 0}, last{0, 0, 4};
  EXPECT_EQ(counted("/one"), first);
  EXPECT_EQ(counted("/canary"), last);
  EXPECT_EQ(counted("/weighted"), last) << "the route's criteria and the cluster's are one";
  EXPECT_EQ(counted("/fewer"), first) << "KEYS_SUBSET";
  EXPECT_EQ(counted("/lost"), first) << "the default subset";
  EXPECT_EQ(counted("/"), first) << "without criteria too";
  const auto both = counted("/", {{"x-v", "2"}});
  EXPECT_EQ(both[0], 0);
  EXPECT_EQ(both[1] + both[2], 4);
  EXPECT_EQ(counted("/one", {{"x-v", "2"}, {"x-stage", "canary"}}), last) << "the request's metadata goes first";
  EXPECT_EQ(get(loop_, proxy.port(), "/strict").status, 503) << "NO_FALLBACK, whatever a panic would allow";
}

TEST_F(Upstreams, ARetryKeepsAwayFromEndpointsOfCertainMetadata) {
  Backend canary(loop_);
  const std::string endpoints =
      "    load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{metadata: {filter_metadata: {envoy.lb: "
      "{canary: true, rack: r1}}}, endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: " +
      std::to_string(canary.port()) +
      "}}}}, {endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: " + backend() + "}}}}]}]}\n";
  auto route = [](const std::string& path, const std::string& predicate) {
    return "              - {match: {prefix: " + path +
           "}, route: {cluster: c, retry_policy: {retry_on: 5xx, num_retries: 4, host_selection_retry_max_attempts: "
           "50, "
           "retry_back_off: {base_interval: 0.001s}, retry_host_predicate: [" +
           predicate + "]}}}\n";
  };
  Proxy proxy(
      loop_,
      bootstrap_of(
          route("/status/503",
                "{name: x, typed_config: {\"@type\": "
                "type.googleapis.com/envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate}}") +
              route("/status/504",
                    "{name: x, typed_config: {\"@type\": "
                    "type.googleapis.com/envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig, "
                    "metadata_match: {filter_metadata: {envoy.lb: {rack: r1}}}}}"),
          "  - name: c\n    type: STATIC\n    lb_policy: RANDOM\n" + endpoints));
  for (const char* path : {"/status/503", "/status/504"}) {
    const int before = canary.requests;
    for (int i = 0; i < 5; ++i) get(loop_, proxy.port(), path);
    EXPECT_LE(canary.requests - before, 5) << "the first tries at most";
  }
  EXPECT_GE(backend_.requests, 40);
}

TEST_F(Upstreams, WhatDoesNotActIsRefusedByName) {
  auto refusal = [&](const std::string& more) {
    auto bootstrap = parse_bootstrap(bootstrap_of(kAll, cluster_at({"1"}, more)));
    if (!bootstrap) return bootstrap.error().message;
    auto valid = validate(*bootstrap);
    return valid ? std::string() : valid.error().message;
  };
  EXPECT_EQ(refusal(""), "");
  for (const auto& [yaml, name] : std::map<std::string, std::string>{
           {"    preconnect_policy: {per_upstream_preconnect_ratio: 2}\n", "preconnect_policy"},
           {"    lb_subset_config: {subset_selectors: [{keys: [v]}], locality_weight_aware: true}\n",
            "lb_subset_config.locality_weight_aware"},
           {"    lb_subset_config: {subset_selectors: [{keys: [v], fallback_policy: KEYS_SUBSET, fallback_keys_subset: "
            "[w]}]}\n",
            "fallback_keys_subset"},
           {"    lb_policy: MAGLEV\n    maglev_lb_config: {table_size: 100}\n", "prime"},
           {"    lb_policy: CLUSTER_PROVIDED\n", "CLUSTER_PROVIDED"},
           {"    outlier_detection: {max_ejection_percent: 101}\n", "max_ejection_percent"},
           {"    load_balancing_policy: {policies: [{typed_extension_config: {name: csw, typed_config: {\"@type\": "
            "type.googleapis.com/envoy.extensions.load_balancing_policies.pick_first.v3.PickFirst}}}]}\n",
            "PickFirst"}})
    EXPECT_NE(refusal(yaml).find(name), std::string::npos) << yaml << refusal(yaml);
}

// Sends a request whose names are spelled oddly to an upstream that answers so; what the upstream and the client got.
std::pair<std::string, std::string> spelled(net::Loop& loop, const std::string& format) {
  RawServer server("HTTP/1.1 200 OK\r\nConTent-Length: 0\r\nX-aNSWER: a\r\n\r\n");
  const std::string http = "{header_key_format: " + format + "}";
  Proxy proxy(loop,
              bootstrap_of(kAll,
                           cluster_at({server.port()},
                                      "    typed_extension_protocol_options: "
                                      "{envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": "
                                      "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, "
                                      "explicit_http_config: {http_protocol_options: " +
                                          http + "}}}\n"),
                           "          http_protocol_options: " + http + "\n"));
  const std::string client =
      raw(loop, proxy.port(), "GET / HTTP/1.1\r\nHOST: h\r\nX-aSK: b\r\nconnection: close\r\n\r\n");
  return {server.got(), client};
}

TEST_F(Upstreams, FieldNamesKeepTheirCaseWhereBothSidesSaySo) {
  auto [upstream, client] =
      spelled(loop_,
              "{stateful_formatter: {name: p, typed_config: {\"@type\": type.googleapis.com/"
              "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig}}}");
  EXPECT_NE(upstream.find("\r\nHOST: h\r\n"), upstream.npos) << upstream;
  EXPECT_NE(upstream.find("\r\nX-aSK: b\r\n"), upstream.npos) << upstream;
  EXPECT_NE(upstream.find("\r\nx-request-id: "), upstream.npos) << upstream;
  EXPECT_NE(client.find("\r\nX-aNSWER: a\r\n"), client.npos) << client;
  EXPECT_NE(client.find("\r\nConTent-Length: 0\r\n"), client.npos) << client;
}

TEST_F(Upstreams, FieldNamesAreCapitalizedWhereBothSidesSaySo) {
  auto [upstream, client] = spelled(loop_, "{proper_case_words: {}}");
  EXPECT_NE(upstream.find("\r\nHost: h\r\n"), upstream.npos) << upstream;
  EXPECT_NE(upstream.find("\r\nX-Ask: b\r\n"), upstream.npos) << upstream;
  EXPECT_NE(client.find("\r\nX-Answer: a\r\n"), client.npos) << client;
  EXPECT_NE(client.find("\r\nContent-Length: 0\r\n"), client.npos) << client;
}

}  // namespace
}  // namespace proxy
