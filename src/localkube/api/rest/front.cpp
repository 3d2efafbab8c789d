// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/rest/front.h"

#include "base/log.h"
#include "base/strings.h"
#include "localkube/api/rest/computed.h"
#include "localkube/api/rest/respond.h"
#include "localkube/version.h"

namespace localkube {

namespace {

constexpr const char* kAnonymous = "system:anonymous";

Json version_document() {
  return {{"major", "1"},    {"minor", "33"},           {"gitVersion", kKubernetesVersion},
          {"gitCommit", ""}, {"gitTreeState", "clean"}, {"buildDate", "1970-01-01T00:00:00Z"},
          {"goVersion", ""}, {"compiler", "g++"},       {"platform", "linux/amd64"}};
}

// What a request wants, as authorization is asked about it.
Attributes wish_of(const http::RequestHead& head, const std::optional<ApiPath>& path, const RestRequest* request) {
  if (request) {
    const Target& target = request->target;
    bool of_itself = target.row->plural == "namespaces" && target.row->group.empty();
    return {.verb = request->verb(),
            .group = target.row->group,
            .resource = target.row->plural,
            .subresource = target.subresource,
            .ns = of_itself ? target.name : target.ns,
            .name = target.name};
  }
  std::string verb = head.method == "POST" ? "create" : head.method == "PUT" ? "update" : base::to_lower(head.method);
  if (path && is_review(*path)) {
    bool namespaced = path->rest.size() == 3;
    return {.verb = verb, .group = path->group, .resource = path->rest.back(), .ns = namespaced ? path->rest[1] : ""};
  }
  if (path && find_computed(*path)) {
    bool by_name = path->rest.size() == 2;
    auto watch = http::query_parameter(head.query(), "watch");
    bool watches = watch && (watch->empty() || *watch == "true" || *watch == "1");
    return {.verb = head.method != "GET" ? verb
                    : watches            ? "watch"
                    : by_name            ? "get"
                                         : "list",
            .group = path->group,
            .resource = path->rest[0],
            .name = by_name ? path->rest[1] : ""};
  }
  if (path && is_proxy(*path))
    return {.verb = verb,
            .resource = path->rest[2],
            .subresource = "proxy",
            .ns = path->rest[1],
            .name = proxy_name(path->rest[3]).name};
  return {.verb = verb, .path = std::string(head.path_only())};
}

Refusal not_allowed(const User& user, const Attributes& wish) {
  std::string who = "User " + in_quotes(user.name) + " cannot " + wish.verb;
  if (!wish.path.empty())
    return {403, "Forbidden", "forbidden: " + who + " path " + in_quotes(wish.path), Json::object()};
  std::string what = wish.subresource.empty() ? wish.resource : wish.resource + "/" + wish.subresource;
  std::string where = wish.ns.empty() ? " at the cluster scope" : " in the namespace " + in_quotes(wish.ns);
  return forbidden({wish.group, "v1", wish.resource}, wish.name,
                   who + " resource " + in_quotes(what) + " in API group " + in_quotes(wish.group) + where);
}

Refusal not_acceptable() {
  return {406, "NotAcceptable",
          "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, "
          "application/vnd.kubernetes.protobuf, application/json;stream=watch, "
          "application/vnd.kubernetes.protobuf;stream=watch",
          Json::object()};
}

}  // namespace

Answer<User> Front::authenticate(const http::Exchange& exchange) const {
  const net::TlsPeer* peer = exchange.tls();
  auto header = exchange.request().headers.get("authorization");
  if (header) {
    auto parts = base::cut(*header, ' ');
    if (parts && base::equal_ignoring_case(parts->first, "bearer")) {
      auto verdict = services_.tokens.check(base::trim(parts->second), {});
      if (verdict) return std::move(verdict->user);
    }
    return std::unexpected(Refusal{401, "Unauthorized", "Unauthorized", {}});
  }
  User user;
  if (peer && !peer->common_name.empty()) {
    user.name = peer->common_name;
    user.groups = peer->organizations;
    user.groups.push_back("system:authenticated");
    return user;
  }
  user.name = kAnonymous;
  user.groups = {"system:unauthenticated"};
  return user;
}

// "kubectl --as": whoever may impersonate asks in another's name.
Answer<User> Front::impersonated(const http::RequestHead& head, User user) const {
  constexpr std::string_view kExtra = "impersonate-extra-";
  User other;
  std::vector<std::pair<std::string, std::string>> extras;
  bool asked = false;
  for (const auto& [name, value] : head.headers) {
    std::string header = base::to_lower(name);
    if (!header.starts_with("impersonate-")) continue;
    asked = true;
    if (header == "impersonate-user")
      other.name = value;
    else if (header == "impersonate-group")
      other.groups.emplace_back(value);
    else if (header == "impersonate-uid")
      other.uid = value;
    else if (header.size() > kExtra.size() && header.starts_with(kExtra))
      extras.emplace_back(http::percent_decode(header.substr(kExtra.size())).value_or(header.substr(kExtra.size())),
                          value);
    else
      return std::unexpected(bad_request("header " + in_quotes(header) + " is not known"));
  }
  if (!asked) return user;
  if (other.name.empty())
    return std::unexpected(bad_request("Impersonate-User is required with other Impersonate- headers"));
  constexpr std::string_view kAccount = "system:serviceaccount:";
  std::string account, account_ns;
  if (other.name.starts_with(kAccount))
    if (auto parts = base::cut(std::string_view(other.name).substr(kAccount.size()), ':'))
      account_ns = parts->first, account = parts->second;
  std::vector<Attributes> wishes;
  if (!account.empty())
    wishes.push_back({.verb = "impersonate", .resource = "serviceaccounts", .ns = account_ns, .name = account});
  else
    wishes.push_back({.verb = "impersonate", .resource = "users", .name = other.name});
  for (const std::string& group : other.groups)
    wishes.push_back({.verb = "impersonate", .resource = "groups", .name = group});
  for (const auto& [key, value] : extras) {
    wishes.push_back({.verb = "impersonate",
                      .group = "authentication.k8s.io",
                      .resource = "userextras",
                      .subresource = key,
                      .name = value});
    other.extra[key].push_back(value);
  }
  if (!other.uid.empty())
    wishes.push_back({.verb = "impersonate", .group = "authentication.k8s.io", .resource = "uids", .name = other.uid});
  for (const Attributes& wish : wishes)
    if (!services_.rbac.decide(user, wish).allowed) return std::unexpected(not_allowed(user, wish));
  if (!account.empty() && other.groups.empty())
    other.groups = {"system:serviceaccounts", "system:serviceaccounts:" + account_ns};
  other.groups.push_back(other.name == kAnonymous ? "system:unauthenticated" : "system:authenticated");
  return other;
}

net::Task<void> Front::handle(std::shared_ptr<http::Exchange> given) {
  auto exchange = std::make_shared<CountedExchange>(std::move(given), metrics_);
  std::string path(exchange->request().path_only());
  const std::string& method = exchange->request().method;
  if (path == "/version" || path == "/version/") {
    respond_json(*exchange, 200, version_document());
    co_return;
  }
  Answer<User> user = authenticate(*exchange);
  if (user) user = impersonated(exchange->request(), std::move(*user));
  if (!user) {
    respond_refusal(*exchange, user.error());
    co_return;
  }
  auto api_path = parse_api_path(path);
  RestRequest request{exchange, std::move(*user), {}, false, std::string(exchange->request().query()), Shape::Object};
  bool special = api_path && (is_review(*api_path) || is_proxy(*api_path) || find_computed(*api_path));
  Answer<void> resolved =
      api_path && !special ? resolve(services_.registry.catalog(), *api_path, request) : Answer<void>{};
  Attributes wish = wish_of(exchange->request(), api_path, resolved && request.target.row ? &request : nullptr);
  exchange->is_about(Metrics::subject_of(exchange->request(), wish, api_path ? api_path->version : ""));
  // Whether all is well is anybody's to know; what is not well is not.
  const bool health = is_health(path);
  const bool for_anyone = health && (method == "GET" || method == "HEAD") && path.find('/', 1) == path.npos;
  if (!for_anyone && !services_.rbac.decide(request.user, wish).allowed) {
    respond_refusal(*exchange, not_allowed(request.user, wish));
    co_return;
  }
  if (health) {
    serve_health(services_, *exchange, request.user.in_group("system:authenticated"));
    co_return;
  }
  if (method == "GET" && serve_about_itself(*exchange, path)) co_return;
  if (api_path && is_review(*api_path)) {
    co_await serve_review(services_, exchange, std::move(*api_path), std::move(request.user));
    co_return;
  }
  if (api_path && find_computed(*api_path)) {
    co_await serve_computed(services_, exchange, std::move(*api_path), std::move(request.user));
    co_return;
  }
  if (special) {
    co_await serve_proxy(services_, exchange, std::move(*api_path));
    co_return;
  }
  bool group_known = false;
  if (api_path)
    for (const KindPointer& row : services_.registry.catalog().all())
      group_known = group_known || (row->group == api_path->group && row->serves(api_path->version));
  if (!api_path || !group_known) {
    exchange->respond(404, "404 page not found\n");
    co_return;
  }
  if (!resolved) {
    respond_refusal(*exchange, resolved.error());
    co_return;
  }
  auto shape = accepted_shape(exchange->request());
  if (!shape && !is_special_subresource(request)) {
    respond_refusal(*exchange, not_acceptable());
    co_return;
  }
  request.shape = shape.value_or(Shape::Object);
  co_await serve_resource(std::move(request));
}

// Discovery, schemas, and how tokens are checked.
bool Front::serve_about_itself(http::Exchange& exchange, const std::string& path) {
  if (serve_discovery(services_.registry.catalog(), exchange)) return true;
  if (serve_openapi(services_.registry.catalog(), exchange)) return true;
  if (path == "/metrics") {
    exchange.respond(200, metrics_.prometheus(services_.registry), "text/plain; version=0.0.4; charset=utf-8");
    return true;
  }
  if (path == "/openid/v1/jwks") {
    respond_json(exchange, 200, services_.tokens.key_set(), {}, "application/jwk-set+json");
    return true;
  }
  if (path != "/.well-known/openid-configuration") return false;
  respond_json(exchange, 200,
               {{"issuer", kIssuer},
                {"jwks_uri", std::string(kIssuer) + "/openid/v1/jwks"},
                {"response_types_supported", {"id_token"}},
                {"subject_types_supported", {"public"}},
                {"id_token_signing_alg_values_supported", {"ES256"}}});
  return true;
}

net::Task<void> Front::serve_resource(RestRequest request) {
  const std::string& method = request.method();
  const Target& target = request.target;
  if (!target.subresource.empty()) {
    if (is_special_subresource(request)) {
      co_await serve_subresource(services_, std::move(request));
      co_return;
    }
    bool known = (target.subresource == "status" && target.row->has_status) ||
                 (target.subresource == "finalize" && target.row->plural == "namespaces");
    if (!known) {
      respond_refusal(*request.exchange, no_such_resource());
      co_return;
    }
  }
  if (method == "GET" || method == "HEAD")
    if (auto sound = check_read_options(request); !sound) {
      respond_refusal(*request.exchange, sound.error());
      co_return;
    }
  if (request.by_name) {
    if (method == "GET" || method == "HEAD")
      serve_get(services_, std::move(request));
    else if (method == "PUT")
      co_await serve_update(services_, std::move(request));
    else if (method == "PATCH")
      co_await serve_patch(services_, std::move(request));
    else if (method == "DELETE" && target.subresource.empty())
      co_await serve_delete(services_, std::move(request));
    else
      respond_refusal(*request.exchange, method_not_allowed());
    co_return;
  }
  if (method == "GET" || method == "HEAD") {
    if (request.flag("watch"))
      co_await serve_watch(services_, std::move(request));
    else
      serve_list(services_, std::move(request));
  } else if (method == "POST") {
    co_await serve_create(services_, std::move(request));
  } else if (method == "DELETE") {
    co_await serve_delete_collection(services_, std::move(request));
  } else {
    respond_refusal(*request.exchange, method_not_allowed());
  }
}

}  // namespace localkube
