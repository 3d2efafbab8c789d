// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/auth/tokens.h"

#include <algorithm>

#include "localkube/api/kinds/document.h"
#include "localkube/api/metadata.h"

namespace localkube {

namespace {

// Tokens of older clients name the shorter form.
const std::vector<std::string> kOwnAudiences = {kIssuer, "https://kubernetes.default.svc"};
constexpr const char* kPodName = "authentication.kubernetes.io/pod-name";
constexpr const char* kPodUid = "authentication.kubernetes.io/pod-uid";
constexpr const char* kCredential = "authentication.kubernetes.io/credential-id";

int64_t seconds_of(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace

Tokens::Tokens(const Store& store, std::shared_ptr<const identity::PrivateKey> key)
    : store_(store), key_(std::move(key)), public_key_(key_->public_key()), key_id_(identity::key_id_of(public_key_)) {}

Answer<Token> Tokens::issue(const TokenOrder& order) const {
  const Record* account = store_.find("serviceaccounts", order.ns, order.service_account);
  if (!account) return std::unexpected(not_found({"", "v1", "serviceaccounts"}, order.service_account));
  Json bound = {
      {"namespace", order.ns},
      {"serviceaccount", {{"name", order.service_account}, {"uid", string_at(*account->object, "metadata", "uid")}}}};
  if (!order.pod_name.empty()) {
    const Record* pod = store_.find("pods", order.ns, order.pod_name);
    if (!pod) return std::unexpected(not_found({"", "v1", "pods"}, order.pod_name));
    std::string uid = string_at(*pod->object, "metadata", "uid");
    if (!order.pod_uid.empty() && order.pod_uid != uid)
      return std::unexpected(conflict({"", "v1", "pods"}, order.pod_name,
                                      "the UID in the bound object reference (" + order.pod_uid +
                                          ") does not match the UID in record. The object might have been deleted and "
                                          "then recreated"));
    std::string account_of_pod = string_at(*pod->object, "spec", "serviceAccountName");
    if (account_of_pod != order.service_account)
      return std::unexpected(bad_request("cannot bind token for serviceaccount \"" + order.service_account +
                                         "\" to pod running with different serviceaccount name."));
    bound["pod"] = {{"name", order.pod_name}, {"uid", uid}};
    std::string node = string_at(*pod->object, "spec", "nodeName");
    if (const Record* record = store_.find("nodes", "", node))
      bound["node"] = {{"name", node}, {"uid", string_at(*record->object, "metadata", "uid")}};
  }
  auto now = std::chrono::system_clock::now();
  Token token;
  token.expires = now + order.lifetime;
  Json audiences = Json::array();
  for (const std::string& one : order.audiences) audiences.push_back(one);
  if (audiences.empty()) audiences.push_back(kIssuer);
  Json claims = {{"aud", std::move(audiences)},
                 {"exp", seconds_of(token.expires)},
                 {"iat", seconds_of(now)},
                 {"nbf", seconds_of(now)},
                 {"iss", kIssuer},
                 {"jti", new_uid()},
                 {"kubernetes.io", std::move(bound)},
                 {"sub", "system:serviceaccount:" + order.ns + ":" + order.service_account}};
  auto text = identity::sign_jwt(claims, *key_, key_id_);
  if (!text) return std::unexpected(internal(text.error().message));
  token.text = std::move(*text);
  return token;
}

base::Result<Tokens::Verdict> Tokens::check(std::string_view text, std::vector<std::string> audiences) const {
  auto refuse = [](std::string_view) { return base::fail(base::ErrorKind::Denied, "invalid bearer token"); };
  identity::Jwt token = TRY(identity::Jwt::parse(text));
  if (token.issuer() != kIssuer) return refuse("issuer");
  TRY(token.verify(public_key_, std::chrono::system_clock::now()));
  const std::vector<std::string>& wanted = audiences.empty() ? kOwnAudiences : audiences;
  Verdict verdict;
  for (const std::string& one : token.audiences())
    if (std::find(wanted.begin(), wanted.end(), one) != wanted.end()) verdict.audiences.push_back(one);
  if (verdict.audiences.empty()) {
    Json all = token.audiences();
    return base::fail(base::ErrorKind::Denied, "[invalid bearer token, token audiences " + all.dump() +
                                                   " is invalid for the target audiences " + Json(wanted).dump() + "]");
  }
  const Json* bound = base::find(token.claims, "kubernetes.io");
  if (!bound) return refuse("claims");
  std::string ns = string_at(*bound, "namespace"), name = string_at(*bound, "serviceaccount", "name");
  const Record* account = store_.find("serviceaccounts", ns, name);
  if (!account || base::text(*account->object, "metadata", "uid") != base::text(*bound, "serviceaccount", "uid"))
    return base::fail(base::ErrorKind::Denied,
                      "[invalid bearer token, service account " + ns + "/" + name + " has been deleted]");
  verdict.user.name = "system:serviceaccount:" + ns + ":" + name;
  verdict.user.uid = string_at(*bound, "serviceaccount", "uid");
  verdict.user.groups = {"system:serviceaccounts", "system:serviceaccounts:" + ns, "system:authenticated"};
  verdict.user.extra = {{kCredential, Json::array({"JTI=" + string_at(token.claims, "jti")})}};
  if (std::string pod = string_at(*bound, "pod", "name"); !pod.empty()) {
    const Record* record = store_.find("pods", ns, pod);
    if (!record || base::text(*record->object, "metadata", "uid") != base::text(*bound, "pod", "uid"))
      return base::fail(base::ErrorKind::Denied, "[invalid bearer token, pod " + ns + "/" + pod + " has been deleted]");
    verdict.user.extra[kPodName] = Json::array({pod});
    verdict.user.extra[kPodUid] = Json::array({string_at(*bound, "pod", "uid")});
  }
  return verdict;
}

Json Tokens::key_set() const { return {{"keys", Json::array({identity::jwk_of(public_key_, key_id_)})}}; }

}  // namespace localkube
