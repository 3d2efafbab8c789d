// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/authz.h"

#include "envoy/service/auth/v3/external_auth.pb.h"
#include "google/rpc/status.pb.h"
#include "http/grpc.h"
#include "proxy/runtime/harness.h"

namespace proxy::testing {
namespace {

namespace v3 = envoy::service::auth::v3;

// An authorization service: over HTTP it goes by the path, over gRPC by what the test set.
struct Authorizer {
  explicit Authorizer(net::Loop& loop)
      : loop(loop),
        server(loop, [this](std::shared_ptr<http::Exchange> exchange) { return serve(*this, std::move(exchange)); }) {
    address = *server.listen(*net::Address::parse("127.0.0.1", 0));
  }
  static net::Task<void> serve(Authorizer& self, std::shared_ptr<http::Exchange> exchange) {
    ++self.asked;
    if (http::grpc::ServerCall::is_grpc(exchange->request())) {
      http::grpc::ServerCall call(exchange);
      auto message = co_await call.read();
      if (message && *message) {
        EXPECT_TRUE(self.check.ParseFromString(**message));
      }
      if (self.trailers.empty()) {
        auto written = co_await call.write(self.answer.SerializeAsString());
        static_cast<void>(written);
        call.finish();
        co_return;
      }
      http::ResponseHead head;
      head.headers.add("content-type", "application/grpc");
      if (self.ends_in_head) head.headers.add("grpc-status", "0");
      exchange->start(std::move(head));
      const std::string frame = std::string(5, '\0');  // an empty answer: it may pass
      auto written = co_await exchange->write(frame);
      static_cast<void>(written);
      if (self.ends_in_head)
        exchange->finish();
      else
        exchange->finish(self.trailers);
      co_return;
    }
    auto body = co_await exchange->read_all(1 << 20);
    self.seen = exchange->request();
    self.body = body.value_or("");
    std::string path(exchange->request().path_only());
    if (path.ends_with("/slow")) co_await net::sleep(self.loop, std::chrono::hours(1));
    http::Response response;
    if (path.ends_with("/no")) {
      response.status = 402;
      response.body = "pay";
    }
    if (path.ends_with("/broken")) response.status = 500;
    response.headers.add("x-user", "jane");
    response.headers.add("x-to-client", "hello");
    response.headers.add("x-secret", "s");
    exchange->respond(std::move(response));
  }
  int asked = 0;
  http::RequestHead seen;
  std::string body;
  v3::CheckRequest check;
  v3::CheckResponse answer;
  http::Headers trailers;     // of gRPC answers, in place of the usual ones
  bool ends_in_head = false;  // then: the status stands in the head, and no trailers follow
  net::Loop& loop;
  http::Server server;
  net::Address address;
};

struct ExtAuthz : ::testing::Test {
  net::Loop loop;
  Backend backend{loop};
  Authorizer authorizer{loop};
  static constexpr const char* kRoute = "              - {match: {prefix: /}, route: {cluster: backend}}\n";

  std::string bootstrap(const std::string& config, const std::string& routes = kRoute,
                        const std::string& authorizer_options = "") {
    std::string filter =
        R"({name: authz, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz, )" +
        config + "}}";
    return bootstrap_of(routes,
                        cluster_of("backend", "@backend") +
                            cluster_of("authz", std::to_string(authorizer.address.port()), authorizer_options),
                        "", filter);
  }
  static std::string http_service(const std::string& more = "") {
    return "http_service: {server_uri: {uri: \"http://authz.test\", cluster: authz, timeout: 2s}, path_prefix: /check, "
           "authorization_response: "
           "{allowed_upstream_headers: {patterns: [{exact: x-user}]}, allowed_client_headers: {patterns: [{exact: "
           "X-To-Client}]}, "
           "allowed_client_headers_on_success: {patterns: [{exact: x-to-client}]}}" +
           more + "}";
  }
  http::Response ask(const Proxy& proxy, const std::string& path, std::string body = {}, http::Headers headers = {}) {
    http::Request request;
    request.method = body.empty() ? "GET" : "POST";
    request.path = path;
    request.authority = "host.test";
    request.headers = std::move(headers);
    request.body = std::move(body);
    return fetch(loop, proxy.port(), std::move(request));
  }
};

TEST_F(ExtAuthz, AnHttpServiceLetsPassRefusesAndWritesHeaders) {
  Proxy proxy(loop,
              bootstrap(http_service(", authorization_request: {allowed_headers: {patterns: [{prefix: x-in}]}, "
                                     "headers_to_add: [{key: x-from, value: proxy}]}")),
              backend.port());
  http::Headers headers;
  headers.add("x-user", "forged");
  headers.add("x-in-a", "1");
  headers.add("x-out", "2");
  auto good = ask(proxy, "/yes?q=1", "", headers);
  EXPECT_EQ(good.status, 200);
  EXPECT_EQ(good.headers.get("echo-x-user").value_or(""), "jane");
  EXPECT_FALSE(good.headers.contains("echo-x-secret"));
  EXPECT_EQ(good.headers.get("x-to-client").value_or(""), "hello");
  EXPECT_EQ(authorizer.seen.path, "/check/yes?q=1");
  EXPECT_EQ(authorizer.seen.authority, "host.test");
  EXPECT_EQ(authorizer.seen.headers.get("x-in-a").value_or(""), "1");
  EXPECT_EQ(authorizer.seen.headers.get("x-from").value_or(""), "proxy");
  EXPECT_FALSE(authorizer.seen.headers.contains("x-out"));
  auto denied = ask(proxy, "/no");
  EXPECT_EQ(denied.status, 402);
  EXPECT_EQ(denied.body, "pay");
  EXPECT_EQ(denied.headers.get("x-to-client").value_or(""), "hello");
  EXPECT_FALSE(denied.headers.contains("x-secret"));
  EXPECT_EQ(backend.requests, 1);
}

TEST_F(ExtAuthz, WhatItHasForTheClientStandsInAnswersOfLaterFiltersToo) {
  const std::string both =
      R"({name: authz, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz, )" +
      http_service() +
      "}}\n{name: limit, typed_config: {\"@type\": "
      "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit, stat_prefix: l, "
      "token_bucket: {max_tokens: 1, fill_interval: 3600s}, filter_enabled: {default_value: {numerator: 100}}, "
      "filter_enforced: {default_value: {numerator: 100}}}}\n";
  Proxy proxy(
      loop,
      bootstrap_of(kRoute,
                   cluster_of("backend", "@backend") + cluster_of("authz", std::to_string(authorizer.address.port())),
                   "", both),
      backend.port());
  EXPECT_EQ(ask(proxy, "/yes").status, 200);
  auto limited = ask(proxy, "/yes");
  EXPECT_EQ(limited.status, 429);
  EXPECT_EQ(limited.headers.get("x-to-client").value_or(""), "hello");
}

TEST_F(ExtAuthz, WithoutAnAnswerNothingPassesUnlessToldSo) {
  Proxy strict(loop, bootstrap(http_service())),
      gone(loop, bootstrap("http_service: {server_uri: {uri: \"http://x\", cluster: nowhere, timeout: 1s}}"));
  EXPECT_EQ(ask(strict, "/broken").status, 403);
  EXPECT_EQ(ask(gone, "/x").status, 403);
  Proxy late(loop, bootstrap("status_on_error: {code: 503}, http_service: {server_uri: {uri: \"http://x\", cluster: "
                             "authz, timeout: 0.05s}}"));
  EXPECT_EQ(ask(late, "/slow").status, 503);
  EXPECT_EQ(backend.requests, 0);
  Proxy lax(loop, bootstrap("failure_mode_allow: true, failure_mode_allow_header_add: true, " + http_service()),
            backend.port());
  auto passed = ask(lax, "/broken");
  EXPECT_EQ(passed.status, 200);
  EXPECT_EQ(passed.headers.get("echo-x-envoy-auth-failure-mode-allowed").value_or(""), "true");
  EXPECT_EQ(ask(lax, "/no").status, 402) << "a refusal is no failure";
}

TEST_F(ExtAuthz, TheBodyIsShownAndThenGoesOn) {
  Proxy proxy(loop, bootstrap("with_request_body: {max_request_bytes: 10}, " + http_service()), backend.port());
  auto small = ask(proxy, "/yes", "0123456789");
  EXPECT_EQ(authorizer.body, "0123456789");
  EXPECT_EQ(authorizer.seen.headers.get("x-envoy-auth-partial-body").value_or(""), "false");
  EXPECT_EQ(small.body, "POST /yes host=host.test body=10");
  int asked = authorizer.asked;
  EXPECT_EQ(ask(proxy, "/yes", bytes(11)).status, 413);
  EXPECT_EQ(authorizer.asked, asked);
  ask(proxy, "/yes");
  EXPECT_FALSE(authorizer.seen.headers.contains("x-envoy-auth-partial-body")) << "there was no body";
  EXPECT_FALSE(authorizer.seen.headers.contains("x-forwarded-proto"));
  Proxy partial(loop,
                bootstrap("with_request_body: {max_request_bytes: 10, allow_partial_message: true}, " + http_service()),
                backend.port());
  EXPECT_EQ(ask(partial, "/yes", bytes(300'000)).body, "POST /yes host=host.test body=300000");
  EXPECT_EQ(authorizer.body, bytes(10));
  EXPECT_EQ(authorizer.seen.headers.get("x-envoy-auth-partial-body").value_or(""), "true");
}

TEST_F(ExtAuthz, WhereAnInternalRedirectLeadsItIsAskedAgain) {
  const std::string off =
      R"(typed_per_filter_config: {authz: {"@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute, disabled: true}})";
  const std::string routes =
      "              - {match: {prefix: /redirect/}, route: {cluster: backend, internal_redirect_policy: "
      "{redirect_response_codes: [302, 307]}}, " +
      off + "}\n" + kRoute;
  for (const char* more : {"", ", with_request_body: {max_request_bytes: 1000}"}) {
    Proxy proxy(loop, bootstrap(http_service() + more, routes), backend.port());
    authorizer.asked = 0;
    backend.requests = 0;
    EXPECT_EQ(ask(proxy, "/redirect/http://host.test/no", "the body").status, 402) << more;
    EXPECT_EQ(authorizer.asked, 1);
    EXPECT_EQ(backend.requests, 1) << "that redirected";
    EXPECT_EQ(ask(proxy, "/redirect/http://host.test/yes", "the body").status, 200);
    EXPECT_EQ(authorizer.asked, 2);
    EXPECT_EQ(authorizer.body, *more ? "the body" : "");
  }
  {  // a body that a filter has looked at may follow, too
    Proxy proxy(loop,
                bootstrap(http_service() + ", with_request_body: {max_request_bytes: 1000}",
                          "              - {match: {prefix: /redirect/}, route: {cluster: backend, "
                          "internal_redirect_policy: {redirect_response_codes: [302]}}}\n" +
                              std::string(kRoute)),
                backend.port());
    EXPECT_EQ(ask(proxy, "/redirect/http://host.test/yes", "the body").status, 200);
    EXPECT_EQ(authorizer.seen.path, "/check/yes");
    EXPECT_EQ(authorizer.body, "the body");
  }
}

TEST_F(ExtAuthz, ARouteTurnsItOffOrSaysMore) {
  std::string type = R"("@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute)";
  auto route = [&](const std::string& path, const std::string& policy) {
    return "              - {match: {prefix: " + path +
           "}, route: {cluster: backend}, typed_per_filter_config: {authz: {" + type + ", " + policy + "}}}\n";
  };
  std::string h2 =
      "    typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": "
      "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: "
      "{http2_protocol_options: {}}}}\n";
  Proxy proxy(loop,
              bootstrap("grpc_service: {envoy_grpc: {cluster_name: authz}, timeout: 2s}",
                        route("/off", "disabled: true") +
                            route("/more", "check_settings: {context_extensions: {team: red}}") + kRoute,
                        h2),
              backend.port());
  authorizer.answer.mutable_status()->set_code(7);
  EXPECT_EQ(ask(proxy, "/off").status, 200);
  EXPECT_EQ(authorizer.asked, 0);
  http::Headers twice;
  twice.add("x-a", "1");
  twice.add("x-a", "2");
  EXPECT_EQ(ask(proxy, "/more?q=1", "", twice).status, 403);
  const auto& attributes = authorizer.check.attributes();
  EXPECT_EQ(attributes.context_extensions().at("team"), "red");
  EXPECT_EQ(attributes.request().http().path(), "/more?q=1");
  EXPECT_EQ(attributes.request().http().headers().at("x-a"), "1,2");
  EXPECT_EQ(attributes.source().address().socket_address().address(), "127.0.0.1");

  auto& denied = *authorizer.answer.mutable_denied_response();
  denied.mutable_status()->set_code(envoy::type::v3::StatusCode(429));
  denied.set_body("slow down");
  auto* why = denied.add_headers()->mutable_header();
  why->set_key("x-why");
  why->set_value("quota");
  auto refused = ask(proxy, "/x");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.body, "slow down");
  EXPECT_EQ(refused.headers.get("x-why").value_or(""), "quota");
  for (const char* cookie : {"a=1", "b=2", "c=3"}) {
    auto* one = denied.add_headers();
    one->mutable_header()->set_key("set-cookie");
    one->mutable_header()->set_value(cookie);
    one->set_append_action(envoy::config::core::v3::HeaderValueOption::OVERWRITE_IF_EXISTS_OR_ADD);
    if (*cookie == 'b') one->mutable_append()->set_value(true);
  }
  auto* said_type = denied.add_headers()->mutable_header();
  said_type->set_key("content-type");
  said_type->set_value("text/html");
  refused = ask(proxy, "/x");
  EXPECT_EQ(refused.headers.joined("set-cookie"), "a=1,c=3") << "as Envoy: all but those with `append`";
  EXPECT_EQ(refused.headers.joined("content-type"), "text/html");

  authorizer.answer.Clear();
  auto& ok = *authorizer.answer.mutable_ok_response();
  auto* user = ok.add_headers()->mutable_header();
  user->set_key("x-user");
  user->set_value("jane");
  ok.add_headers_to_remove("x-a");
  auto* set = ok.add_query_parameters_to_set();
  set->set_key("who");
  set->set_value("a b");
  auto passed = ask(proxy, "/x?q=1", "", twice);
  EXPECT_EQ(passed.status, 200);
  EXPECT_EQ(passed.headers.get("echo-x-user").value_or(""), "jane");
  EXPECT_FALSE(passed.headers.contains("echo-x-a"));
  EXPECT_EQ(passed.body, "GET /x?q=1&who=a%20b host=host.test body=0");
  EXPECT_EQ(authorizer.check.attributes().request().http().size(), 0);  // no body was shown

  // As Envoy: what is appended joins what is there, and comes to nothing where nothing is; append_action counts for
  // the response's headers only.
  ok.Clear();
  auto add = [](auto* option, const char* name) {
    option->mutable_header()->set_key(name);
    option->mutable_header()->set_value("svc");
    return option;
  };
  for (const char* name : {"x-a", "x-none"}) add(ok.add_headers(), name)->mutable_append()->set_value(true);
  for (const char* name : {"x-b", "x-c"})
    add(ok.add_headers(), name)->set_append_action(envoy::config::core::v3::HeaderValueOption::OVERWRITE_IF_EXISTS);
  add(ok.add_response_headers_to_add(), "echo-x-b");
  add(ok.add_response_headers_to_add(), "x-new")
      ->set_append_action(envoy::config::core::v3::HeaderValueOption::OVERWRITE_IF_EXISTS);
  http::Headers once;
  once.add("x-a", "1");
  once.add("x-b", "1");
  auto joined = ask(proxy, "/x", "", once);
  EXPECT_EQ(joined.headers.get("echo-x-a").value_or(""), "1,svc");
  EXPECT_FALSE(joined.headers.contains("echo-x-none"));
  EXPECT_EQ(joined.headers.joined("echo-x-b"), "svc,svc");
  EXPECT_EQ(joined.headers.get("echo-x-c").value_or(""), "svc");
  EXPECT_FALSE(joined.headers.contains("x-new"));
  ok.Clear();

  // What is no UTF-8 is asked about all the same, as Envoy has it.
  http::Headers odd;
  odd.add("x-odd",
          "a\xff"
          "b");
  EXPECT_EQ(ask(proxy, "/x", "", odd).status, 200);
  EXPECT_EQ(authorizer.check.attributes().request().http().headers().at("x-odd"), "a!b");
  const std::string bad(
      "\0\0\0\x01\x80\xff\xfe"
      "abc",
      10);  // gRPC's length prefix among others
  for (const bool as_bytes : {false, true}) {
    Proxy shows(loop,
                bootstrap(std::string("grpc_service: {envoy_grpc: {cluster_name: authz}, timeout: 2s}, "
                                      "with_request_body: {max_request_bytes: 100, pack_as_bytes: ") +
                              (as_bytes ? "true}" : "false}"),
                          kRoute, h2),
                backend.port());
    EXPECT_EQ(ask(shows, "/x", bad).status, 200);
    const auto& http = authorizer.check.attributes().request().http();
    EXPECT_EQ(as_bytes ? http.raw_body() : http.body(), as_bytes ? bad : std::string("\0\0\0\x01!!!abc", 10));
  }

  add(ok.add_headers(), "x-user")->mutable_header()->set_value("a\r\nx-evil: 1");
  EXPECT_EQ(ask(proxy, "/x").status, 403) << "a service that injects is not believed";
}

TEST_F(ExtAuthz, AStatusThatContradictsItselfLetsNothingPass) {
  Proxy proxy(
      loop,
      bootstrap("grpc_service: {envoy_grpc: {cluster_name: authz}, timeout: 2s}", kRoute,
                "    typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: "
                "{\"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, "
                "explicit_http_config: {http2_protocol_options: {}}}}\n"),
      backend.port());
  using Said = std::vector<std::string>;
  for (const Said& said : {Said{"0"}, Said{"0", "7"}, Said{"7", "0"}, Said{"-0"}, Said{"00"}, Said{"+0"}, Said{""}}) {
    authorizer.trailers.clear();
    for (const std::string& one : said) authorizer.trailers.add("grpc-status", one);
    EXPECT_EQ(ask(proxy, "/").status, said == Said{"0"} ? 200 : 403) << said[0] << " of " << said.size();
  }
  authorizer.ends_in_head = true;
  EXPECT_EQ(ask(proxy, "/").status, 403) << "a head's status says nothing of what follows it";
}

TEST_F(ExtAuthz, AConnectionGoesOnOnceItsServiceSaysSo) {
  auto bootstrap = [&](const std::string& more) {
    return R"(
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: authz
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.ext_authz.v3.ExtAuthz
          stat_prefix: t
          grpc_service: {envoy_grpc: {cluster_name: authz}, timeout: 2s}
)" + more + R"(
      - {name: tcp, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: backend}}
  clusters:
)" + cluster_of("backend", std::to_string(backend.port())) +
           cluster_of("authz", std::to_string(authorizer.address.port()),
                      "    typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: "
                      "{\"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, "
                      "explicit_http_config: {http2_protocol_options: {}}}}\n");
  };
  const std::string request = "GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
  auto answer = [&](Proxy& proxy) { return raw(loop, proxy.port(), request).substr(0, 12); };
  auto counted = [](Proxy& proxy, const std::string& name) {
    const std::string all = proxy.process().scrape().prometheus();
    const size_t at = all.find("\nenvoy_ext_authz_t_" + name);
    return at == std::string::npos ? std::string() : all.substr(all.find(' ', at) + 1, 2);
  };
  Proxy proxy(loop, bootstrap(""));
  EXPECT_EQ(answer(proxy), "HTTP/1.1 200");
  const auto& attributes = authorizer.check.attributes();
  EXPECT_EQ(attributes.destination().address().socket_address().port_value(), proxy.port());
  EXPECT_EQ(attributes.source().address().socket_address().address(), "127.0.0.1");
  EXPECT_FALSE(attributes.has_request()) << "it is a connection, not a request";
  authorizer.answer.mutable_status()->set_code(7);
  EXPECT_EQ(answer(proxy), "");
  EXPECT_EQ(backend.requests, 1);
  EXPECT_EQ(counted(proxy, "total"), "2\n");
  EXPECT_EQ(counted(proxy, "denied"), "1\n");
  EXPECT_EQ(counted(proxy, "cx_closed"), "1\n");
  authorizer.answer.mutable_error_response();
  EXPECT_EQ(answer(proxy), "") << "an error is no word";
  EXPECT_EQ(counted(proxy, "error"), "1\n");
  Proxy trusting(loop, bootstrap("          failure_mode_allow: true"));
  EXPECT_EQ(answer(trusting), "HTTP/1.1 200");
  EXPECT_EQ(counted(trusting, "failure_mode_allowed"), "1\n");
  auto refused = parse_bootstrap(bootstrap("          metadata_context_namespaces: [a]"));
  ASSERT_TRUE(refused);
  auto valid = validate(*refused);
  ASSERT_FALSE(valid);
  EXPECT_NE(valid.error().message.find("metadata_context_namespaces"), std::string::npos) << valid.error().message;
}

}  // namespace
}  // namespace proxy::testing
