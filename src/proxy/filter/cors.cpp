// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/cors.h"

#include <algorithm>

#include "proxy/stream/stream.h"

namespace proxy {

static const CorsPolicy* policy_of(const CorsFilter& filter, const Stream& stream) {
  if (!stream.route() || !std::holds_alternative<Forward>(stream.route()->action)) return nullptr;  // as Envoy
  const auto* own = stream.policy<CorsPolicy>(filter);
  return own && own->enabled ? own : nullptr;
}

Verdict CorsFilter::on_request(Stream& stream) const {
  stream.cors_origin().clear();
  auto origin = stream.request.headers.get("origin");
  if (!origin || origin->empty()) return Continue{};
  const CorsPolicy* policy = policy_of(*this, stream);
  if (!policy) return Continue{};
  bool allowed = std::any_of(policy->origins.begin(), policy->origins.end(),
                             [&](const StringMatch& match) { return match.matches("*") || match.matches(*origin); });
  bool preflight = stream.request.method == "OPTIONS" &&
                   !stream.request.headers.get("access-control-request-method").value_or("").empty();
  stream.worker().count(allowed ? allowed_ : refused_);
  if (!allowed) {
    if (!preflight || policy->forward_unmatched_preflights) return Continue{};
    return Reply{.status = 200, .details = "cors_response"};
  }
  stream.cors_origin() = *origin;
  if (!preflight) return Continue{};
  Reply reply{.status = 200, .details = "cors_response"};
  // As Envoy: "*" is whatever was asked for.
  auto allow = [&](std::string_view name, const std::string& said, std::string_view asked) {
    if (said == "*")
      reply.headers.add(name, stream.request.headers.get(asked).value_or(std::string_view()));
    else if (!said.empty())
      reply.headers.add(name, said);
  };
  allow("access-control-allow-methods", policy->methods, "access-control-request-method");
  allow("access-control-allow-headers", policy->headers, "access-control-request-headers");
  if (!policy->max_age.empty()) reply.headers.add("access-control-max-age", policy->max_age);
  return reply;
}

void CorsFilter::on_response(Stream& stream, http::ResponseHead& head) const {
  if (stream.cors_origin().empty()) return;
  const CorsPolicy* policy = policy_of(*this, stream);
  if (!policy) return;
  head.headers.set("access-control-allow-origin", stream.cors_origin());
  if (policy->credentials) head.headers.set("access-control-allow-credentials", "true");
  if (!policy->expose.empty()) head.headers.set("access-control-expose-headers", policy->expose);
}

}  // namespace proxy
