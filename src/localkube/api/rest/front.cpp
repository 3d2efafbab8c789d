// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/rest/front.h"

#include "base/log.h"
#include "base/strings.h"
#include "localkube/api/rest/respond.h"

namespace localkube {

namespace {

constexpr const char* kAnonymous = "system:anonymous";
constexpr std::string_view kVersion = "v1.33.4+seine";

bool is_health(std::string_view path) {
  for (std::string_view one : {"/healthz", "/livez", "/readyz"})
    if (path == one || (path.starts_with(one) && path[one.size()] == '/')) return true;
  return false;
}

Json version_document() {
  return {{"major", "1"},    {"minor", "33"},           {"gitVersion", kVersion},
          {"gitCommit", ""}, {"gitTreeState", "clean"}, {"buildDate", "1970-01-01T00:00:00Z"},
          {"goVersion", ""}, {"compiler", "g++"},       {"platform", "linux/amd64"}};
}

Refusal anonymous_refusal(const RestRequest* request, std::string_view path, std::string_view verb) {
  if (!request || !request->target.row)
    return {403, "Forbidden",
            "forbidden: User " + in_quotes(kAnonymous) + " cannot " + std::string(verb) + " path " + in_quotes(path),
            Json::object()};
  const Target& target = request->target;
  std::string where = target.ns.empty() ? " at the cluster scope" : " in the namespace " + in_quotes(target.ns);
  return forbidden(target.resource(), target.name,
                   "User " + in_quotes(kAnonymous) + " cannot " + request->verb() + " resource " +
                       in_quotes(target.row->plural) + " in API group " + in_quotes(target.row->group) + where);
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

net::Task<void> Front::handle(std::shared_ptr<http::Exchange> exchange) {
  std::string path(exchange->request().path_only());
  const std::string& method = exchange->request().method;
  if (path == "/version" || path == "/version/") {
    respond_json(*exchange, 200, version_document());
    co_return;
  }
  if (is_health(path)) {
    exchange->respond(200, "ok");
    co_return;
  }
  Answer<User> user = authenticate(*exchange);
  if (!user) {
    respond_refusal(*exchange, user.error());
    co_return;
  }
  bool anonymous = user->name == kAnonymous;
  auto api_path = parse_api_path(path);
  if (!anonymous && method == "GET") {
    if (serve_discovery(services_.registry.catalog(), *exchange)) co_return;
    if (serve_openapi(services_.registry.catalog(), *exchange)) co_return;
    if (path == "/openid/v1/jwks") {
      respond_json(*exchange, 200, services_.tokens.key_set(), {}, "application/jwk-set+json");
      co_return;
    }
    if (path == "/.well-known/openid-configuration") {
      respond_json(*exchange, 200,
                   {{"issuer", kIssuer},
                    {"jwks_uri", std::string(kIssuer) + "/openid/v1/jwks"},
                    {"response_types_supported", {"id_token"}},
                    {"subject_types_supported", {"public"}},
                    {"id_token_signing_alg_values_supported", {"ES256"}}});
      co_return;
    }
  }
  RestRequest request{exchange, std::move(*user), {}, false, std::string(exchange->request().query()), Shape::Object};
  if (api_path && !anonymous && is_review(*api_path)) {
    co_await serve_review(services_, exchange, std::move(*api_path), std::move(request.user));
    co_return;
  }
  if (api_path && !anonymous && is_pod_proxy(*api_path)) {
    co_await serve_pod_proxy(services_, exchange, std::move(*api_path));
    co_return;
  }
  Answer<void> resolved = api_path ? resolve(services_.registry.catalog(), *api_path, request) : Answer<void>{};
  if (anonymous) {
    respond_refusal(*exchange,
                    anonymous_refusal(api_path && resolved ? &request : nullptr, path, base::to_lower(method)));
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
