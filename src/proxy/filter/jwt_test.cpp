// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/jwt.h"

#include "base/strings.h"
#include "identity/jwt.h"
#include "proxy/filter/jwt_check.h"
#include "proxy/runtime/harness.h"

namespace proxy::testing {
namespace {

using base::Json;

const identity::PrivateKey& issuers_key() {
  static const identity::PrivateKey key = identity::PrivateKey::generate(identity::KeyType::EcP256).value();
  return key;
}
std::string key_set() {
  return Json{{"keys", Json::array({identity::jwk_of(issuers_key().public_key(), "k")})}}.dump();
}

std::string token(Json more = Json::object(), const identity::PrivateKey& key = issuers_key()) {
  Json claims{{"iss", "https://issuer"}, {"sub", "me"}, {"exp", time(nullptr) + 600}};
  claims.update(more);
  return identity::sign_jwt(claims, key, "k").value();
}

std::string filter(const std::string& provider, const std::string& rest) {
  return R"({name: jwt, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication, providers: {p: {)" +
         provider + "}}, " + rest + "}}\n";
}
std::string local(const std::string& more = "") {
  return "issuer: \"https://issuer\", local_jwks: {inline_string: '" + key_set() + "'}" + more;
}
constexpr const char* kEverywhere = "rules: [{match: {prefix: /}, requires: {provider_name: p}}]";
constexpr const char* kRoute = "              - {match: {prefix: /}, route: {cluster: backend}}\n";

struct Jwt : ::testing::Test {
  net::Loop loop;
  Backend backend{loop};
  std::string bootstrap(const std::string& filters, const std::string& routes = kRoute) {
    return bootstrap_of(routes, cluster_of("backend", "@backend"), "", filters);
  }
  http::Response ask(const Proxy& proxy, const std::string& path, const std::string& bearer,
                     http::Headers headers = {}) {
    http::Request request;
    request.path = path;
    request.authority = "host.test";
    request.headers = std::move(headers);
    if (!bearer.empty()) request.headers.add("authorization", "Bearer " + bearer);
    return fetch(loop, proxy.port(), std::move(request));
  }
};

TEST_F(Jwt, ATokenIsAskedForAndVerifiedInEnvoysWords) {
  Proxy proxy(loop, bootstrap(filter(local(", audiences: [api]"), kEverywhere)), backend.port());
  auto missing = ask(proxy, "/x", "");
  EXPECT_EQ(missing.status, 401);
  EXPECT_EQ(missing.body, "Jwt is missing");
  EXPECT_EQ(missing.headers.get("www-authenticate").value_or(""), "Bearer realm=\"http://host.test/x\"");
  auto good = ask(proxy, "/x", token({{"aud", "api"}}));
  EXPECT_EQ(good.status, 200);
  EXPECT_FALSE(good.headers.contains("echo-authorization")) << "it is not forwarded";
  auto audience = ask(proxy, "/x", token({{"aud", "other"}}));
  EXPECT_EQ(audience.status, 403);
  EXPECT_EQ(audience.body, "Audiences in Jwt are not allowed");
  EXPECT_EQ(ask(proxy, "/x", token({{"iss", "else"}})).body, "Jwt issuer is not configured");
  EXPECT_EQ(ask(proxy, "/x", token({{"exp", time(nullptr) - 600}})).body, "Jwt is expired");
  EXPECT_EQ(ask(proxy, "/x", token({{"nbf", time(nullptr) + 600}})).body, "Jwt not yet valid");
  auto forged =
      ask(proxy, "/x", token({{"aud", "api"}}, identity::PrivateKey::generate(identity::KeyType::EcP256).value()));
  EXPECT_EQ(forged.status, 401);
  EXPECT_EQ(forged.body, "Jwt verification fails");
  EXPECT_EQ(forged.headers.get("www-authenticate").value_or(""),
            "Bearer realm=\"http://host.test/x\", error=\"invalid_token\"");
  EXPECT_EQ(backend.requests, 1);
}

TEST_F(Jwt, APreflightThatIsLetByBringsNoClaimsOfItsOwn) {
  Proxy proxy(loop,
              bootstrap(filter(local(", claim_to_headers: [{header_name: x-sub, claim_name: sub}]"),
                               std::string(kEverywhere) + ", bypass_cors_preflight: true")),
              backend.port());
  http::Request preflight;
  preflight.method = "OPTIONS";
  preflight.headers.add("origin", "http://a");
  preflight.headers.add("access-control-request-method", "GET");
  preflight.headers.add("x-sub", "admin");
  auto answer = fetch(loop, proxy.port(), std::move(preflight));
  EXPECT_EQ(answer.status, 200);
  EXPECT_FALSE(answer.headers.contains("echo-x-sub"));
}

TEST_F(Jwt, EveryTokenOfARequestMustBeGood) {
  Proxy proxy(loop, bootstrap(filter(local(), kEverywhere)), backend.port());
  auto by_query = ask(proxy, "/x?a=1&access_token=" + token() + "&b=2", "");
  EXPECT_EQ(by_query.status, 200);
  EXPECT_EQ(by_query.body.find("access_token"), std::string::npos) << "it is not forwarded: " << by_query.body;
  EXPECT_NE(by_query.body.find("/x?a=1&b=2 "), std::string::npos) << by_query.body;
  http::Headers second;
  second.add("authorization", "Bearer " + token({{"exp", 1}}));
  EXPECT_EQ(ask(proxy, "/x", token(), second).status, 401);
}

TEST(JwtForm, IsToldInEnvoysWords) {
  auto part = [](const char* json) { return base::to_base64url(json); };
  EXPECT_EQ(problem_of_form("a.b"), "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections");
  EXPECT_EQ(problem_of_form("!.b.c"), "Jwt header is an invalid Base64url encoded");
  EXPECT_EQ(problem_of_form(part("x") + ".b.c"), "Jwt header is an invalid JSON");
  EXPECT_EQ(problem_of_form(part(R"({"alg": "none"})") + "." + part("{}") + "."), "Jwt header [alg] is not supported");
  EXPECT_EQ(problem_of_form(part(R"({"alg": "HS256"})") + "." + part("{}") + ".c"),
            "Jwt header [alg] is not supported");
  EXPECT_EQ(problem_of_form(part(R"({"alg": "ES256", "kid": 1})") + "." + part("{}") + ".c"),
            "Jwt header [kid] field is not a string");
  EXPECT_EQ(problem_of_form(part(R"({"alg": "ES256"})") + "." + part("[]") + ".c"), "Jwt payload is an invalid JSON");
}

TEST_F(Jwt, ClaimsBecomeHeadersThatNobodyElseCanWrite) {
  std::string provider = local(
      ", forward: true, forward_payload_header: x-payload, claim_to_headers: [{header_name: x-group, claim_name: "
      "org.group}, "
      "{header_name: x-level, claim_name: level}]");
  Proxy proxy(loop,
              bootstrap(filter(
                  provider, "rules: [{match: {prefix: /free}}, {match: {prefix: /}, requires: {provider_name: p}}]")),
              backend.port());
  http::Headers forged;
  forged.add("x-group", "admin");
  forged.add("x-payload", "e30");
  auto free = ask(proxy, "/free", "", forged);
  EXPECT_EQ(free.status, 200);
  EXPECT_FALSE(free.headers.contains("echo-x-group"));
  EXPECT_FALSE(free.headers.contains("echo-x-payload"));
  auto good = ask(proxy, "/in", token({{"org", {{"group", "dev"}}}, {"level", 3}}), forged);
  EXPECT_EQ(good.headers.get("echo-x-group").value_or(""), "dev");
  EXPECT_EQ(good.headers.get("echo-x-level").value_or(""), "3");
  EXPECT_EQ(base::parse_json(base::from_base64url(good.headers.get("echo-x-payload").value_or("")).value_or(""))
                .value_or(Json{})["sub"],
            "me");
  EXPECT_TRUE(good.headers.contains("echo-authorization"));
}

TEST_F(Jwt, ATokenMayBeLeftOutButNotBeBad) {
  std::string any =
      "rules: [{match: {prefix: /}, requires: {requires_any: {requirements: [{provider_name: p}, {allow_missing: "
      "{}}]}}}]";
  Proxy proxy(loop, bootstrap(filter(local(), any)), backend.port());
  EXPECT_EQ(ask(proxy, "/x", "").status, 200);
  EXPECT_EQ(ask(proxy, "/x", token()).status, 200);
  EXPECT_EQ(ask(proxy, "/x", token({{"exp", 1}})).status, 401);
  EXPECT_EQ(ask(proxy, "/x", token({{"iss", "else"}})).status, 401);
  Proxy lax(loop, bootstrap(filter(local(), "rules: [{match: {prefix: /}, requires: {allow_missing_or_failed: {}}}]")),
            backend.port());
  EXPECT_EQ(ask(lax, "/x", token({{"exp", 1}})).status, 200);
}

// As Envoy: the last token is looked at first, and nothing is written twice.
TEST_F(Jwt, BesideWhatMayFailTheLastTokenDecidesAndClaimsAreWrittenOnce) {
  std::string provider = local(
      ", from_headers: [{name: x-b}, {name: x-a}], from_cookies: [c], claim_to_headers: [{header_name: x-sub, "
      "claim_name: sub}]");
  std::string any =
      "rules: [{match: {prefix: /all}, requires: {requires_all: {requirements: [{provider_name: p}, "
      "{allow_missing_or_failed: {}}]}}}, {match: {prefix: /}, requires: {requires_any: {requirements: "
      "[{provider_name: p}, {allow_missing_or_failed: {}}]}}}]";
  Proxy proxy(loop, bootstrap(filter(provider, any)), backend.port());
  auto with = [&](const std::string& a, const std::string& b, const std::string& path = "/x") {
    http::Headers headers;
    headers.add("x-a", a);
    headers.add("x-b", b);
    return ask(proxy, path, "", headers).headers;
  };
  const std::string bad = token({{"exp", 1}});
  auto last_is_bad = with(token(), bad);
  EXPECT_FALSE(last_is_bad.contains("echo-x-sub"));
  EXPECT_TRUE(last_is_bad.contains("echo-x-a")) << "nobody looked at it";
  auto last_is_good = with(bad, token());
  EXPECT_EQ(last_is_good.joined("echo-x-sub"), "me");
  EXPECT_TRUE(last_is_good.contains("echo-x-a"));
  EXPECT_FALSE(last_is_good.contains("echo-x-b"));
  EXPECT_EQ(with(token({{"sub", "one"}}), token({{"sub", "two"}})).joined("echo-x-sub"), "two,one");
  EXPECT_FALSE(with(token(), token(), "/all").contains("echo-x-sub")) << "the second requirement begins anew";
  http::Headers quoted;
  quoted.add("cookie", "c=\"" + token() + "\"");
  EXPECT_EQ(ask(proxy, "/x", "", quoted).headers.get("echo-x-sub").value_or(""), "me");
}

TEST_F(Jwt, ARouteNamesItsRequirementOrNone) {
  std::string type = R"("@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig)";
  auto route = [&](const std::string& path, const std::string& policy) {
    return "              - {match: {prefix: " + path +
           "}, route: {cluster: backend}, typed_per_filter_config: {jwt: {" + type + ", " + policy + "}}}\n";
  };
  std::string rules = std::string(kEverywhere) + ", requirement_map: {lax: {allow_missing: {}}}";
  Proxy proxy(
      loop,
      bootstrap(filter(local(), rules), route("/off", "disabled: true") + route("/lax", "requirement_name: lax") +
                                            route("/odd", "requirement_name: odd") + kRoute),
      backend.port());
  EXPECT_EQ(ask(proxy, "/x", "").status, 401);
  EXPECT_EQ(ask(proxy, "/off", "").status, 200);
  EXPECT_EQ(ask(proxy, "/lax", "").status, 200);
  auto odd = ask(proxy, "/odd", "");
  EXPECT_EQ(odd.status, 403);
  EXPECT_EQ(odd.body, "Failed JWT authentication: Wrong requirement_name: odd. It should be one of [lax]");
}

TEST_F(Jwt, RbacAndRoutesLookAtVerifiedClaims) {
  std::string rbac =
      R"({name: rbac, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC, rules: {action: ALLOW, policies: {p: {permissions: [{any: true}], principals: [{sourced_metadata: {metadata_matcher: {filter: envoy.filters.http.jwt_authn, path: [{key: payload}, {key: scope}], value: {list_match: {one_of: {string_match: {exact: write}}}}}}}]}}}}})";
  std::string routes =
      "              - {match: {prefix: /, dynamic_metadata: [{filter: envoy.filters.http.jwt_authn, path: [{key: "
      "payload}, {key: tier}], value: "
      "{string_match: {exact: gold}}}]}, direct_response: {status: 202}}\n";
  std::string provider = local(
      ", payload_in_metadata: payload, clear_route_cache: true, normalize_payload_in_metadata: "
      "{space_delimited_claims: [scope]}");
  Proxy proxy(loop, bootstrap(filter(provider, kEverywhere) + rbac, routes + kRoute), backend.port());
  EXPECT_EQ(ask(proxy, "/x", token({{"scope", "read"}})).status, 403);
  EXPECT_EQ(ask(proxy, "/x", token({{"scope", "read write"}})).status, 200);
  EXPECT_EQ(ask(proxy, "/x", token({{"scope", "write"}, {"tier", "gold"}})).status, 202);
}

struct KeyServer {
  explicit KeyServer(net::Loop& loop)
      : server(loop, [this](std::shared_ptr<http::Exchange> exchange) { return serve(*this, std::move(exchange)); }) {
    address = *server.listen(*net::Address::parse("127.0.0.1", 0));
  }
  static net::Task<void> serve(KeyServer& self, std::shared_ptr<http::Exchange> exchange) {
    ++self.fetches;
    exchange->respond(self.status, exchange->request().path == "/keys" ? key_set() : "?");
    co_return;
  }
  int fetches = 0, status = 200;
  http::Server server;
  net::Address address;
};

TEST_F(Jwt, RemoteKeysAreFetchedThroughTheirClusterWhenTheyAreNeeded) {
  KeyServer keys(loop);
  std::string provider =
      "issuer: \"https://issuer\", remote_jwks: {http_uri: {uri: \"http://keys.test/keys\", cluster: keys, timeout: "
      "2s}, cache_duration: 300s}";
  std::string text =
      bootstrap_of(kRoute, cluster_of("backend", "@backend") + cluster_of("keys", std::to_string(keys.address.port())),
                   "", filter(provider, kEverywhere));
  Proxy proxy(loop, text, backend.port());
  keys.status = 500;
  EXPECT_EQ(ask(proxy, "/x", "").status, 401);
  EXPECT_EQ(keys.fetches, 0) << "nobody needed them";
  EXPECT_EQ(ask(proxy, "/x", token()).body, "Jwks remote fetch is failed");
  keys.status = 200;
  for (int i = 0; i < 6; ++i) EXPECT_EQ(ask(proxy, "/x", token()).status, 200);
  EXPECT_LE(keys.fetches, 4) << "each of two workers keeps them, and may have failed once";
}

}  // namespace
}  // namespace proxy::testing
