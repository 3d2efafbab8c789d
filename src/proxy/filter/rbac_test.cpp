// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/rbac.h"

#include <re2/re2.h>
#include <unistd.h>

#include <fstream>

#include "proxy/listener/session.h"
#include "proxy/route/path_template.h"
#include "proxy/runtime/harness.h"

namespace proxy::testing {
namespace {

using rbac::Doubt;
using rbac::Rule;
using rbac::Ruleset;

Rule header(const std::string& value, bool invert = false) {
  Rule out{.kind = Rule::Kind::Header};
  out.header.name = "x-role";
  out.header.kind = HeaderMatch::Kind::Value;
  out.header.value.value = value;
  out.header.invert = invert;
  return out;
}
Rule negated(Rule rule) {
  Rule out{.kind = Rule::Kind::Not};
  out.parts.push_back(std::move(rule));
  return out;
}

bool allowed(Ruleset::Action action, Rule rule, std::vector<std::string> values) {
  Ruleset rules{.action = action};
  rules.policies.push_back({.name = "p", .permissions = {std::move(rule)}, .principals = {Rule{}}});
  http::RequestHead request;
  for (const std::string& value : values) request.headers.add("x-role", value);
  Origin origin;
  return rules.decide({.origin = origin, .request = &request}).allowed;
}

TEST(Rbac, ARepeatedHeaderNeverHidesAValueFromADenyRule) {
  auto deny = Ruleset::Action::Deny;
  EXPECT_FALSE(allowed(deny, header("bad"), {"bad"}));
  EXPECT_FALSE(allowed(deny, header("bad"), {"good", "bad"}));
  EXPECT_FALSE(allowed(deny, header("good,bad"), {"good", "bad"})) << "the joined value counts too";
  EXPECT_TRUE(allowed(deny, header("bad"), {"good", "fine"}));
  EXPECT_FALSE(allowed(deny, negated(header("good")), {"good", "evil"})) << "not all of it is good";
  EXPECT_FALSE(allowed(deny, header("good", true), {"good", "evil"}));
  EXPECT_TRUE(allowed(deny, negated(header("good")), {"good", "good"}));
}

TEST(Rbac, ARepeatedHeaderIsAllowedOnlyWhereEveryReadingIs) {
  auto allow = Ruleset::Action::Allow;
  EXPECT_TRUE(allowed(allow, header("admin"), {"admin"}));
  EXPECT_FALSE(allowed(allow, header("admin"), {"user", "admin"}));
  EXPECT_TRUE(allowed(allow, header("admin"), {"admin", "admin"}));
  EXPECT_TRUE(allowed(allow, header("a,b"), {"a", "b"}));
  EXPECT_FALSE(allowed(allow, negated(header("bad")), {"good", "bad"}));
  EXPECT_FALSE(allowed(allow, header("bad", true), {"good", "bad"}));
}

TEST(Rbac, ALogRuleLetsEverythingThrough) {
  EXPECT_TRUE(allowed(Ruleset::Action::Log, header("x"), {"x"}));
  EXPECT_TRUE(allowed(Ruleset::Action::Log, header("x"), {"y"}));
}

TEST(PathTemplate, MatchesAsEnvoyDoes) {
  auto matches = [](const char* text, const char* path) {
    return re2::RE2::FullMatch(path, re2::RE2(*regex_of_template(text)));
  };
  for (const char* path : {"/a/x/b/y", "/a/x/b/", "/a/x%20/b/=", "/a/x/b/y/z"})
    EXPECT_TRUE(matches("/a/*/b/**", path)) << path;
  for (const char* path : {"/a/x/b", "/a//b/y", "/a/x/y/b/z", "/a/x/c/y"})
    EXPECT_FALSE(matches("/a/*/b/**", path)) << path;
  EXPECT_TRUE(matches("/{user}/{rest=b/*}", "/u/b/c"));
  for (const char* bad : {"a", "/a*", "/**/*", "/{a", "/{a}b", "//"})
    EXPECT_FALSE(regex_of_template(bad).has_value() && std::string(bad) != "//") << bad;
}

std::string rules(const std::string& action, const std::string& permission,
                  const std::string& principal = "any: true") {
  return "{action: " + action + ", policies: {\"my policy\": {permissions: [{" + permission + "}], principals: [{" +
         principal + "}]}}}";
}
std::string filter(const std::string& config) {
  return R"({name: rbac, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC, )" +
         config + "}}\n";
}
constexpr const char* kRoute =
    "              - {match: {prefix: /}, direct_response: {status: 200, body: {inline_string: in}}}\n";

int status_with(net::Loop& loop, const Proxy& proxy, const std::string& path, http::Headers headers = {}) {
  http::Request request;
  request.path = path;
  request.headers = std::move(headers);
  return fetch(loop, proxy.port(), std::move(request)).status;
}

TEST(Rbac, WhatNoPolicyAllowsIsAnsweredAsEnvoyDoes) {
  net::Loop loop;
  Proxy proxy(loop,
              bootstrap_of(kRoute, "", "",
                           filter("rules: " + rules("ALLOW", "url_path: {path: {exact: /in}}",
                                                    "direct_remote_ip: {address_prefix: 127.0.0.0, prefix_len: 8}"))));
  EXPECT_EQ(get(loop, proxy.port(), "/in?x=1").body, "in");
  auto denied = get(loop, proxy.port(), "/other");
  EXPECT_EQ(denied.status, 403);
  EXPECT_EQ(denied.body, "RBAC: access denied");
}

TEST(Rbac, TheClientBehindProxiesIsToldFromTheConnectionsPeer) {
  net::Loop loop;
  auto by = [](const char* kind) {
    return filter(std::string("rules: ") +
                  rules("DENY", "any: true", std::string(kind) + ": {address_prefix: 10.1.0.0, prefix_len: 16}"));
  };
  http::Headers forwarded;
  forwarded.add("x-forwarded-for", "10.9.9.9, 10.1.2.3");
  Proxy remote(loop, bootstrap_of(kRoute, "", "", by("remote_ip"))),
      direct(loop, bootstrap_of(kRoute, "", "", by("direct_remote_ip")));
  EXPECT_EQ(status_with(loop, remote, "/", forwarded), 403);
  EXPECT_EQ(status_with(loop, direct, "/", forwarded), 200);
  Proxy edge(loop, bootstrap_of(kRoute, "", "          use_remote_address: true\n", by("remote_ip")));
  EXPECT_EQ(status_with(loop, edge, "/", forwarded), 200) << "nobody may say who he is at the edge";
}

TEST(Rbac, ShadowRulesOnlyTellWhatTheyWouldHaveDone) {
  net::Loop loop;
  std::string route =
      "              - {match: {prefix: /}, direct_response: {status: 200}, response_headers_to_add: "
      "[{header: {key: shadow, value: \"%DYNAMIC_METADATA(envoy.filters.http.rbac:dry_shadow_engine_result)% "
      "%DYNAMIC_METADATA(envoy.filters.http.rbac:dry_shadow_effective_policy_id)%\"}}]}\n";
  Proxy proxy(loop, bootstrap_of(route, "", "",
                                 filter("shadow_rules_stat_prefix: dry_, shadow_rules: " +
                                        rules("DENY", "url_path: {path: {prefix: /bad}}"))));
  auto bad = get(loop, proxy.port(), "/bad"), good = get(loop, proxy.port(), "/good");
  EXPECT_EQ(bad.status, 200);
  EXPECT_EQ(bad.headers.get("shadow").value_or(""), "denied my policy");
  EXPECT_EQ(good.headers.get("shadow").value_or(""), "allowed");
}

TEST(Rbac, ARouteReplacesTheRulesOrDropsThem) {
  net::Loop loop;
  std::string type = R"("@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute)";
  auto route = [&](const std::string& path, const std::string& policy) {
    return "              - {match: {prefix: " + path +
           "}, direct_response: {status: 200}, typed_per_filter_config: {rbac: {" + type + policy + "}}}\n";
  };
  Proxy proxy(
      loop,
      bootstrap_of(route("/free", "") +
                       route("/own", ", rbac: {rules: " + rules("ALLOW", "url_path: {path: {exact: /own/in}}") + "}") +
                       kRoute,
                   "", "", filter("rules: " + rules("DENY", "any: true"))));
  EXPECT_EQ(status_with(loop, proxy, "/"), 403);
  EXPECT_EQ(status_with(loop, proxy, "/free"), 200);
  EXPECT_EQ(status_with(loop, proxy, "/own/in"), 200);
  EXPECT_EQ(status_with(loop, proxy, "/own/out"), 403);
}

TEST(Rbac, WhatIsNotUnderstoodIsRefusedByName) {
  net::Loop loop;
  auto error_of = [&](const std::string& config) {
    auto bootstrap = parse_bootstrap(bootstrap_of(kRoute, "", "", filter(config)));
    if (!bootstrap) return bootstrap.error().message;
    Process process(loop, ProcessOptions{.concurrency = 1}, std::move(*bootstrap));
    auto started = process.start();
    return started ? std::string("started") : started.error().message;
  };
  EXPECT_NE(error_of("rules: " + rules("ALLOW", "any: true", "filter_state: {key: x}")).find("filter_state"),
            std::string::npos);
  EXPECT_NE(error_of("rules: " + rules("ALLOW", "matcher: {name: odd}")).find("odd"), std::string::npos);
  EXPECT_NE(error_of("rules: {action: ALLOW, policies: {p: {permissions: [{any: true}], principals: [{}]}}}")
                .find("principal"),
            std::string::npos);
}

TEST(Rbac, ADeniedConnectionIsClosedBeforeAnyByteOfTheApplication) {
  net::Loop loop;
  Backend backend(loop);
  auto listener = [](const std::string& name, const std::string& from) {
    return "  - name: " + name + R"(
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: rbac
        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC, stat_prefix: tcp., rules: )" +
           rules("DENY", "any: true", "direct_remote_ip: {address_prefix: " + from + ", prefix_len: 32}") + R"(}
      - name: tcp
        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: backend}
)";
  };
  Proxy proxy(loop,
              "static_resources:\n  listeners:\n" + listener("main", "127.0.0.1") + listener("open", "10.0.0.1") +
                  "  clusters:\n" + cluster_of("backend", "@backend"),
              backend.port());
  std::string request = "GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
  EXPECT_EQ(raw(loop, proxy.port("main"), request), "");
  EXPECT_EQ(backend.requests, 0);
  EXPECT_EQ(raw(loop, proxy.port("open"), request).substr(0, 12), "HTTP/1.1 200");
}

TEST(Rbac, WhatShadowRulesSayOfAConnectionStandsInItsLog) {
  net::Loop loop;
  Backend backend(loop);
  const std::string path = ::testing::TempDir() + "rbac_test." + std::to_string(getpid()) + ".log";
  {
    Proxy proxy(
        loop,
        R"(static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: rbac
        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC, stat_prefix: tcp., shadow_rules_stat_prefix: dry_, shadow_rules: )" +
            rules("DENY", "any: true", "any: true") + R"(}
      - name: tcp
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: t
          cluster: backend
          access_log: [{name: f, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: )" +
            path +
            R"(, log_format: {text_format_source: {inline_string: "%DYNAMIC_METADATA(envoy.filters.network.rbac)% %DYNAMIC_METADATA(envoy.filters.network.rbac:dry_shadow_engine_result)% %DYNAMIC_METADATA(other)%\n"}}}}]
  clusters:
)" + cluster_of("backend", "@backend"),
        backend.port());
    EXPECT_EQ(raw(loop, proxy.port(), "GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").substr(0, 12),
              "HTTP/1.1 200");
  }
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  unlink(path.c_str());
  EXPECT_EQ(line, R"({"dry_shadow_effective_policy_id":"my policy","dry_shadow_engine_result":"denied"} denied -)");
}

}  // namespace
}  // namespace proxy::testing
