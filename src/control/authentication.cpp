// SPDX-License-Identifier: Apache-2.0
#include "control/authentication.h"

#include <algorithm>

#include "base/strings.h"

namespace control {

using base::ErrorKind;

constexpr std::string_view kAudience = "istio-ca";

std::optional<Identity> identity_of_user(std::string_view user) {
  constexpr std::string_view kPrefix = "system:serviceaccount:";
  if (!user.starts_with(kPrefix)) return std::nullopt;
  auto parts = base::cut(user.substr(kPrefix.size()), ':');
  if (!parts || parts->first.empty() || parts->second.empty() || parts->second.find(':') != std::string_view::npos)
    return std::nullopt;
  return Identity{.ns = std::string(parts->first), .service_account = std::string(parts->second)};
}

static std::optional<std::string> bearer(const http::Exchange& exchange) {
  auto header = exchange.request().headers.get("authorization");
  if (!header || exchange.request().headers.count("authorization") != 1) return std::nullopt;
  if (!base::equal_ignoring_case(header->substr(0, 7), "bearer ")) return std::nullopt;
  return std::string(header->substr(7));
}

net::Task<base::Result<Identity>> Authenticator::by_token(std::shared_ptr<http::Exchange> exchange) const {
  auto token = bearer(*exchange);
  if (!token) co_return base::fail(ErrorKind::Denied, "no bearer token");
  auto identity = co_await of_token(std::move(*token));
  co_return identity;
}

net::Task<base::Result<Identity>> Authenticator::of_token(std::string token) const {
  objects::Object review(objects::Json{{"apiVersion", "authentication.k8s.io/v1"},
                                       {"kind", "TokenReview"},
                                       {"spec", {{"token", token}, {"audiences", {kAudience}}}}});
  kube::Resource reviews{"authentication.k8s.io", "v1", "tokenreviews"};
  auto answer = co_await client_.create(reviews, std::move(review));
  if (!answer) co_return std::unexpected(answer.error());
  const objects::Json& status = answer->status();
  const objects::Json* authenticated = base::find(status, "authenticated");
  if (!authenticated || !authenticated->is_boolean() || !authenticated->get<bool>())
    co_return base::fail(ErrorKind::Denied,
                         "the API server does not vouch for the token: " + std::string(base::text(status, "error")));
  // A server that knows no audiences would vouch for a token meant for somebody else.
  const objects::Json* audiences = base::find(status, "audiences");
  if (!audiences || std::find(audiences->begin(), audiences->end(), objects::Json(kAudience)) == audiences->end())
    co_return base::fail(ErrorKind::Denied, "the token is not meant for audience istio-ca");
  auto identity = identity_of_user(base::text(status, "user", "username"));
  if (!identity) co_return base::fail(ErrorKind::Denied, "the token is not a service account's");
  const objects::Json* pod = base::find(status, "user", "extra", "authentication.kubernetes.io/pod-name");
  if (pod && pod->is_array() && pod->size() == 1 && (*pod)[0].is_string()) identity->pod = (*pod)[0].get<std::string>();
  co_return *identity;
}

net::Task<base::Result<bool>> Authenticator::may_read_secrets(Identity who) const {
  objects::Json groups = {"system:serviceaccounts", "system:serviceaccounts:" + who.ns, "system:authenticated"};
  objects::Json spec = {{"user", "system:serviceaccount:" + who.ns + ":" + who.service_account},
                        {"groups", std::move(groups)},
                        {"resourceAttributes", {{"namespace", who.ns}, {"verb", "list"}, {"resource", "secrets"}}}};
  objects::Object review(objects::Json{
      {"apiVersion", "authorization.k8s.io/v1"}, {"kind", "SubjectAccessReview"}, {"spec", std::move(spec)}});
  kube::Resource reviews{"authorization.k8s.io", "v1", "subjectaccessreviews"};
  auto answer = co_await client_.create(reviews, std::move(review));
  if (!answer) co_return std::unexpected(answer.error());
  const objects::Json* allowed = base::find(answer->status(), "allowed");
  co_return allowed && allowed->is_boolean() && allowed->get<bool>();
}

net::Task<base::Result<Identity>> Authenticator::authenticate(std::shared_ptr<http::Exchange> exchange) const {
  if (exchange->request().headers.contains("authorization")) {
    auto identity = co_await by_token(exchange);
    co_return identity;
  }
  const net::TlsPeer* peer = exchange->tls();
  if (!peer || peer->certificate_der.empty())
    co_return base::fail(ErrorKind::Denied, "neither a client certificate nor a bearer token");
  if (peer->uri_names.size() != 1)
    co_return base::fail(ErrorKind::Denied, "the client certificate must carry exactly one URI name");
  auto spiffe = identity::SpiffeId::parse(peer->uri_names[0]);
  if (!spiffe) co_return std::unexpected(spiffe.error());
  if (spiffe->trust_domain != trust_domain_)
    co_return base::fail(ErrorKind::Denied,
                         "trust domain " + spiffe->trust_domain + " is not this mesh's " + trust_domain_);
  co_return Identity{.ns = spiffe->ns, .service_account = spiffe->service_account};
}

}  // namespace control
