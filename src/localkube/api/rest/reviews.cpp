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

// Everybody who is authenticated may do everything (see Front).
Json access_status(const std::vector<std::string>& groups, const std::string& user) {
  bool unknown = user == "system:anonymous" || (user.empty() && groups.empty());
  if (unknown) return {{"allowed", false}};
  return {{"allowed", true}};
}

Json rules_status() {
  Json resource = {{"verbs", {"*"}}, {"apiGroups", {"*"}}, {"resources", {"*"}}};
  Json path = {{"verbs", {"*"}}, {"nonResourceURLs", {"*"}}};
  return {{"resourceRules", Json::array({std::move(resource)})},
          {"nonResourceRules", Json::array({std::move(path)})},
          {"incomplete", false}};
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
    review["status"] = rules_status();
  } else if (name == "SelfSubjectAccessReview") {
    review["status"] = access_status(user.groups, user.name);
  } else {
    std::vector<std::string> groups;
    for (const Json& group : items(review, "spec", "groups"))
      if (group.is_string()) groups.push_back(group.get<std::string>());
    review["status"] = access_status(groups, string_at(review, "spec", "user"));
  }
  respond_json(*exchange, 201, review);
}

}  // namespace localkube
