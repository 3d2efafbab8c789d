// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/ratelimit.h"

#include "base/log.h"
#include "base/utf8.h"
#include "envoy/service/ratelimit/v3/rls.pb.h"
#include "http/syntax.h"
#include "proxy/stream/stream.h"

namespace proxy {
namespace {

namespace rls = envoy::service::ratelimit::v3;

struct Asked final : FilterState {
  std::optional<SideCall> call;
  http::Headers response;  // for the response, whoever makes it
};

uint64_t seconds_of(rls::RateLimitResponse::RateLimit::Unit unit) {
  using Limit = rls::RateLimitResponse::RateLimit;
  switch (unit) {
    case Limit::SECOND:
      return 1;
    case Limit::MINUTE:
      return 60;
    case Limit::HOUR:
      return 3600;
    case Limit::DAY:
      return 86'400;
    case Limit::WEEK:
      return 604'800;
    case Limit::MONTH:
      return 2'592'000;
    case Limit::YEAR:
      return 31'536'000;
    default:
      return 0;
  }
}

// The scarcest limit, and all windows (draft-ietf-httpapi-ratelimit-headers-03).
void tell_limits(const rls::RateLimitResponse& from, http::Headers& headers) {
  const rls::RateLimitResponse::DescriptorStatus* scarcest = nullptr;
  std::string policies;
  for (const auto& status : from.statuses()) {
    if (!status.has_current_limit()) continue;
    if (!scarcest || status.limit_remaining() < scarcest->limit_remaining()) scarcest = &status;
    uint64_t window = seconds_of(status.current_limit().unit());
    if (!window) continue;
    policies += ", " + std::to_string(status.current_limit().requests_per_unit()) + ";w=" + std::to_string(window);
    if (!status.current_limit().name().empty()) policies += ";name=\"" + status.current_limit().name() + "\"";
  }
  if (!scarcest) return;
  headers.add("x-ratelimit-limit", std::to_string(scarcest->current_limit().requests_per_unit()) + policies);
  headers.add("x-ratelimit-remaining", std::to_string(scarcest->limit_remaining()));
  headers.add("x-ratelimit-reset", std::to_string(std::max<int64_t>(0, scarcest->duration_until_reset().seconds())));
}

bool under(Stream& stream, uint32_t per_million) {
  return per_million >= 1'000'000 || (per_million && stream.worker().dice().roll() % 1'000'000 < per_million);
}

}  // namespace

Verdict RateLimitFilter::on_request(Stream& stream) const {
  if (config_.whom != Whom::Both) {
    bool internal = stream.request.headers.get("x-envoy-internal") == "true";
    if (internal != (config_.whom == Whom::Internal)) return Continue{};
  }
  const auto* own = stream.policy<RateLimitPolicy>(*this);
  std::vector<RateLimitDescriptor> descriptors;
  if (own && !own->rules.empty())
    describe(own->rules, config_.stage, stream, descriptors);
  else if (!config_.rules.empty())
    describe(config_.rules, config_.stage, stream, descriptors);
  else
    descriptors = describe_by_route(config_.stage, own ? own->hosts : HostRateLimits::WhereRouteHasNone, stream);
  if (descriptors.empty() || !under(stream, config_.enabled_per_million)) return Continue{};

  rls::RateLimitRequest question;
  question.set_domain(own && !own->domain.empty() ? own->domain : config_.domain);
  for (const RateLimitDescriptor& descriptor : descriptors) {
    auto& out = *question.add_descriptors();
    for (const auto& [key, value] : descriptor.entries) {
      auto& entry = *out.add_entries();
      entry.set_key(base::to_utf8(key));
      entry.set_value(base::to_utf8(value));
    }
    if (descriptor.hits) out.mutable_hits_addend()->set_value(*descriptor.hits);
  }
  Asked& asked = stream.state<Asked>(*this);
  asked.call.emplace(stream.worker());
  http::Headers metadata = config_.metadata;
  if (auto id = stream.request.headers.get("x-request-id")) metadata.add("x-request-id", *id);
  asked.call->call(config_.service, config_.authority, "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit",
                   question.SerializeAsString(), metadata,
                   [this, &stream](SideAnswer& answer) { decide(stream, answer); });
  return Pause{};
}

// The service cannot be asked: let it pass, unless it was said otherwise (as Envoy).
void RateLimitFilter::fail(Stream& stream) const {
  if (!config_.deny_on_error) return stream.resume_request();
  stream.reply({.status = config_.error_status, .details = "rate_limiter_error"});
}

// False: one of them could not stand in a message, so the answer counts as none.
static bool add_headers(const google::protobuf::RepeatedPtrField<envoy::config::core::v3::HeaderValue>& from,
                        http::Headers& to) {
  for (const auto& header : from) {
    const std::string name = base::to_lower(header.key());
    const std::string& value = header.value().empty() ? header.raw_value() : header.value();
    if (!http::syntax::valid_field(name, value)) return false;
    to.add(name, value);
  }
  return true;
}

void RateLimitFilter::decide(Stream& stream, SideAnswer& answer) const {
  rls::RateLimitResponse verdict;
  http::Headers request, response;
  if (answer.grpc_status != 0 || !verdict.ParseFromString(answer.body) ||
      (verdict.overall_code() != rls::RateLimitResponse::OK &&
       verdict.overall_code() != rls::RateLimitResponse::OVER_LIMIT) ||
      !add_headers(verdict.request_headers_to_add(), request) ||
      !add_headers(verdict.response_headers_to_add(), response))
    return fail(stream);
  Asked& asked = stream.state<Asked>(*this);
  for (auto [name, value] : response) asked.response.add(name, value);
  if (config_.tell) tell_limits(verdict, asked.response);
  if (verdict.overall_code() != rls::RateLimitResponse::OVER_LIMIT || !under(stream, config_.enforced_per_million)) {
    for (auto [name, value] : request) stream.request.headers.add(name, value);
    return stream.resume_request();
  }
  Reply reply{.status = config_.status, .body = verdict.raw_body(), .details = "request_rate_limited"};
  if (config_.say_ratelimited) reply.headers.add("x-envoy-ratelimited", "true");
  stream.change(reply.headers, config_.response);
  reply.flags = static_cast<uint32_t>(telemetry::Flag::RateLimited);
  if (config_.resource_exhausted) reply.grpc_status = 8;
  stream.reply(std::move(reply));
}

void RateLimitFilter::on_response(Stream& stream, http::ResponseHead& head) const {
  if (const Asked* asked = stream.find_state<Asked>(*this))
    for (auto field : asked->response) head.headers.add(field.name, field.value);
}

}  // namespace proxy
