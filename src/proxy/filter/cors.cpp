// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/cors.h"

#include <algorithm>

#include "proxy/stream/stream.h"

namespace proxy {

namespace {

// The policies of all levels, the most specific first: that one turns the filter on or off, and of each thing counts
// who says it first (as Envoy).
class CorsPolicies {
 public:
  CorsPolicies(const CorsFilter& filter, const Stream& stream) {
    if (!stream.route() || !std::holds_alternative<Forward>(stream.route()->action)) return;  // as Envoy
    auto take = [&](const Policies& policies) {
      const auto* entry = policies.find(filter.slot);
      if (const auto* one = entry ? dynamic_cast<const CorsPolicy*>(entry->policy.get()) : nullptr)
        all_[count_++] = one;
    };
    if (stream.target()) take(stream.target()->policies);
    take(stream.route()->policies);
    if (stream.virtual_host()) take(stream.virtual_host()->policies);
    if (stream.route_table()) take(stream.route_table()->policies);
    if (count_ && !all_[0]->enabled) count_ = 0;
  }
  explicit operator bool() const { return count_ > 0; }
  // What the first of them has there that has something; else an empty one.
  template <typename Field>
  const Field& first(Field CorsPolicy::* field) const {
    static const Field kNothing{};
    for (size_t i = 0; i < count_; ++i)
      if (all_[i]->*field != kNothing) return all_[i]->*field;
    return kNothing;
  }
  const std::vector<StringMatch>& origins() const {
    size_t i = 0;
    while (i + 1 < count_ && all_[i]->origins.empty()) ++i;
    return all_[i]->origins;
  }

 private:
  const CorsPolicy* all_[4] = {};
  size_t count_ = 0;
};

}  // namespace

Verdict CorsFilter::on_request(Stream& stream) const {
  stream.cors_origin().clear();
  auto origin = stream.request.headers.get("origin");
  if (!origin || origin->empty() || stream.request.headers.count("origin") > 1) return Continue{};  // of nobody's page
  const CorsPolicies policies(*this, stream);
  if (!policies) return Continue{};
  const bool allowed = std::ranges::any_of(
      policies.origins(), [&](const StringMatch& match) { return match.matches("*") || match.matches(*origin); });
  bool preflight = stream.request.method == "OPTIONS" &&
                   !stream.request.headers.get("access-control-request-method").value_or("").empty();
  stream.worker().count(allowed ? allowed_ : refused_);
  if (!allowed) {
    if (!preflight || policies.first(&CorsPolicy::forward_unmatched_preflights).value_or(true)) return Continue{};
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
  allow("access-control-allow-methods", policies.first(&CorsPolicy::methods), "access-control-request-method");
  allow("access-control-allow-headers", policies.first(&CorsPolicy::headers), "access-control-request-headers");
  if (const auto& age = policies.first(&CorsPolicy::max_age); !age.empty())
    reply.headers.add("access-control-max-age", age);
  return reply;
}

void CorsFilter::on_response(Stream& stream, http::ResponseHead& head) const {
  if (stream.cors_origin().empty()) return;
  const CorsPolicies policies(*this, stream);
  if (!policies) return;
  head.headers.set("access-control-allow-origin", stream.cors_origin());
  if (policies.first(&CorsPolicy::credentials).value_or(false))
    head.headers.set("access-control-allow-credentials", "true");
  if (const auto& expose = policies.first(&CorsPolicy::expose); !expose.empty())
    head.headers.set("access-control-expose-headers", expose);
}

}  // namespace proxy
