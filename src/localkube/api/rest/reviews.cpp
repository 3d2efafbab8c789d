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

// As the API's own rules for the specs of access reviews.
Problems problems_of_access(const Json& review, bool of_other) {
  Problems problems;
  const Json* resource = base::find(review, "spec", "resourceAttributes");
  const Json* path = base::find(review, "spec", "nonResourceAttributes");
  if (resource && path)
    problems.invalid("spec.nonResourceAttributes", Problems::text(*path),
                     "cannot be specified in combination with resourceAttributes");
  if (!resource && !path)
    problems.invalid("spec.resourceAttributes", "null",
                     "exactly one of nonResourceAttributes or resourceAttributes must be specified");
  if (of_other && string_at(review, "spec", "user").empty() && items(review, "spec", "groups").empty())
    problems.invalid("spec.user", "\"\"", "at least one of user or group must be specified");
  return problems;
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
  RestRequest request{exchange, user, {}, false, std::string(exchange->request().query()), Shape::Object};
  Answer<CallPointer> call = call_of(request, "CreateOptions");
  if (!call) {
    respond_refusal(*exchange, call.error());
    co_return;
  }
  Answer<Json> document = co_await read_document(exchange, row, kind.version, *call);
  Answer<void> sound;
  if (document && !document->is_object()) document = std::unexpected(bad_request("a review is a JSON object"));
  if (document) sound = conform(*row, kind.version, *document, **call);
  if (!document || !sound) {
    respond_refusal(*exchange, document ? sound.error() : document.error(), (*call)->warnings);
    co_return;
  }
  Json review = std::move(*document);
  if (!review["metadata"].is_object()) review["metadata"] = Json::object();
  review["metadata"]["creationTimestamp"] = nullptr;
  std::string name(kind.kind);
  if (name.ends_with("AccessReview")) {
    const std::string ns = kind.namespaced ? path.rest[1] : "";
    Problems problems = problems_of_access(review, !name.starts_with("Self"));
    if (kind.namespaced && string_at(review, "spec", "resourceAttributes", "namespace") != ns)
      problems.invalid("spec.resourceAttributes.namespace",
                       Problems::text(string_at(review, "spec", "resourceAttributes", "namespace")),
                       "must match metadata.namespace");
    if (const std::string told = string_at(review, "metadata", "namespace"); !told.empty() && told != ns) {
      respond_refusal(*exchange,
                      bad_request("the namespace of the provided object does not match the namespace sent on "
                                  "the request"));
      co_return;
    }
    if (!problems.empty()) {
      respond_refusal(*exchange, invalid({std::string(kind.group), std::string(kind.version), name}, "", problems));
      co_return;
    }
  }
  if (name == "SelfSubjectRulesReview" && string_at(review, "spec", "namespace").empty()) {
    respond_refusal(*exchange, bad_request("no namespace on request"));
    co_return;
  }
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
  respond_json(*exchange, 201, review, (*call)->warnings);
}

}  // namespace localkube
