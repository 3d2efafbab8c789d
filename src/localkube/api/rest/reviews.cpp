// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/rest/front.h"
#include "localkube/api/rest/respond.h"
#include "localkube/api/rest/virtual_kinds.h"

namespace localkube {

namespace {

Json user_document(const User& user) {
  Json document = Json::object();
  if (!user.name.empty()) document["username"] = user.name;
  if (!user.uid.empty()) document["uid"] = user.uid;
  if (!user.groups.empty()) document["groups"] = user.groups;
  if (user.extra.is_object() && !user.extra.empty()) document["extra"] = user.extra;
  return document;
}

Json token_status(const Tokens& tokens, const Json& review) {
  std::vector<std::string> audiences;
  for (const Json& one : items(review, "spec", "audiences"))
    if (one.is_string()) audiences.push_back(one.get<std::string>());
  auto verdict = tokens.check(base::text(review, "spec", "token"), audiences);
  if (!verdict) return {{"user", Json::object()}, {"error", verdict.error().message}};
  return {{"authenticated", true}, {"user", user_document(verdict->user)}, {"audiences", verdict->audiences}};
}

Json access_status(const Rbac& rbac, const User& user, const Json& review) {
  Attributes wish;
  if (const Json* resource = base::find(review, "spec", "resourceAttributes"))
    wish = {.verb = string_at(*resource, "verb"),
            .group = string_at(*resource, "group"),
            .resource = string_at(*resource, "resource"),
            .subresource = string_at(*resource, "subresource"),
            .ns = string_at(*resource, "namespace"),
            .name = string_at(*resource, "name")};
  else if (const Json* path = base::find(review, "spec", "nonResourceAttributes"))
    wish = {.verb = string_at(*path, "verb"), .path = string_at(*path, "path")};
  Rbac::Verdict verdict = rbac.decide(user, wish);
  Json status = {{"allowed", verdict.allowed}};
  if (!verdict.reason.empty()) status["reason"] = verdict.reason;
  return status;
}

Json rules_status(const Rbac& rbac, const User& user, const std::string& ns) {
  Json resources = Json::array(), paths = Json::array();
  for (Json& rule : rbac.rules_of(user, ns))
    (rule.contains("nonResourceURLs") ? paths : resources).push_back(std::move(rule));
  return {{"resourceRules", std::move(resources)}, {"nonResourceRules", std::move(paths)}, {"incomplete", false}};
}

}  // namespace

bool is_review(const ApiPath& path) {
  if (path.rest.empty()) return false;
  const VirtualKind* kind = find_virtual(path.group, path.version, path.rest.back());
  if (!kind) return false;
  return kind->namespaced ? path.rest.size() == 3 && path.rest[0] == "namespaces" : path.rest.size() == 1;
}

net::Task<void> serve_review(Services& services, std::shared_ptr<http::Exchange> exchange, ApiPath path, User user) {
  const VirtualKind& kind = *find_virtual(path.group, path.version, path.rest.back());
  if (exchange->request().method != "POST") {
    respond_refusal(*exchange, method_not_allowed());
    co_return;
  }
  auto row = std::make_shared<KindRow>();
  row->kind = kind.kind;
  row->group = kind.group;
  row->versions = {kind.version};
  row->plural = kind.plural;
  Answer<Json> document = co_await read_document(exchange, row, kind.version, std::make_shared<Call>());
  if (!document) {
    respond_refusal(*exchange, document.error());
    co_return;
  }
  Json review = std::move(*document);
  if (!review.is_object()) review = Json::object();
  review["kind"] = kind.kind;
  review["apiVersion"] = row->object_kind(kind.version).api_version();
  if (!review["metadata"].is_object()) review["metadata"] = Json::object();
  review["metadata"]["creationTimestamp"] = nullptr;
  std::string name(kind.kind);
  if (name == "TokenReview") {
    if (base::text(review, "spec", "token").empty()) {
      Problems problems;
      problems.required("spec.token");
      respond_refusal(*exchange, bad_request("token is required for TokenReview in authentication"));
      co_return;
    }
    review["status"] = token_status(services.tokens, review);
  } else if (name == "SelfSubjectReview") {
    review["metadata"]["creationTimestamp"] = now_text();
    review["status"] = {{"userInfo", user_document(user)}};
  } else if (name == "SelfSubjectRulesReview") {
    review["status"] = rules_status(services.rbac, user, string_at(review, "spec", "namespace"));
  } else if (name == "SelfSubjectAccessReview") {
    review["status"] = access_status(services.rbac, user, review);
  } else {
    User other;
    other.name = string_at(review, "spec", "user");
    for (const Json& group : items(review, "spec", "groups"))
      if (group.is_string()) other.groups.push_back(group.get<std::string>());
    review["status"] = access_status(services.rbac, other, review);
  }
  respond_json(*exchange, 201, review);
}

}  // namespace localkube
