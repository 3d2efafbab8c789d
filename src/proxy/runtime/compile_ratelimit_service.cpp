// SPDX-License-Identifier: Apache-2.0
#include "envoy/extensions/filters/http/ratelimit/v3/rate_limit.pb.h"
#include "proxy/filter/ratelimit.h"
#include "proxy/runtime/compile_filters.h"

namespace proxy {
namespace {

namespace v3 = envoy::extensions::filters::http::ratelimit::v3;
using google::protobuf::Any;

auto refuse(std::string message) {
  return std::unexpected(base::Error{.kind = base::ErrorKind::Invalid, .message = std::move(message)});
}

base::Result<std::shared_ptr<Filter>> limit_filter(const Compiler& compiler, const Any& any) {
  auto from = TRY(unpack_strictly<v3::RateLimit>(any));
  if (from.domain().empty()) return refuse("domain must not be empty");
  if (from.has_failure_mode_deny_percent()) return refuse("failure_mode_deny_percent is not known");
  RateLimitFilter::Config out{.domain = from.domain(), .stage = from.stage()};
  auto timeout = from.has_timeout() ? milliseconds_of(from.timeout()) : std::chrono::milliseconds(20);
  auto target = TRY(grpc_target_of(compiler, from.rate_limit_service().grpc_service(), timeout));
  out.service = std::move(target.target);
  out.authority = std::move(target.authority);
  out.metadata = std::move(target.metadata);
  if (from.request_type() == "internal")
    out.whom = RateLimitFilter::Whom::Internal;
  else if (from.request_type() == "external")
    out.whom = RateLimitFilter::Whom::External;
  else if (!from.request_type().empty() && from.request_type() != "both")
    return refuse("request_type \"" + from.request_type() + "\" is not known");
  out.deny_on_error = from.failure_mode_deny();
  out.resource_exhausted = from.rate_limited_as_resource_exhausted();
  out.tell = from.enable_x_ratelimit_headers() == v3::RateLimit::DRAFT_VERSION_03;
  out.say_ratelimited = !from.disable_x_envoy_ratelimited_header();
  if (from.rate_limited_status().code() >= 400) out.status = from.rate_limited_status().code();
  if (from.status_on_error().code() >= 400) out.error_status = from.status_on_error().code();
  out.response = TRY(compile_headers(from.response_headers_to_add()));
  out.rules = TRY(compile_rate_limits(from.rate_limits()));
  if (from.has_filter_enabled()) out.enabled_per_million = per_million(from.filter_enabled().default_value());
  if (from.has_filter_enforced()) out.enforced_per_million = per_million(from.filter_enforced().default_value());
  return std::make_shared<RateLimitFilter>(std::move(out));
}

base::Result<std::shared_ptr<const FilterPolicy>> limit_policy(const Compiler&, const Any& any) {
  auto from = TRY(unpack_strictly<v3::RateLimitPerRoute>(any));
  auto out = std::make_shared<RateLimitPolicy>();
  if (from.override_option() != v3::RateLimitPerRoute::DEFAULT) return refuse("override_option is not known");
  out->domain = from.domain();
  if (from.vh_rate_limits() == v3::RateLimitPerRoute::INCLUDE) out->hosts = HostRateLimits::Too;
  if (from.vh_rate_limits() == v3::RateLimitPerRoute::IGNORE) out->hosts = HostRateLimits::Never;
  out->rules = TRY(compile_rate_limits(from.rate_limits()));
  return out;
}

}  // namespace

const FilterKind kRateLimitFilter{"envoy.extensions.filters.http.ratelimit.v3.RateLimit", limit_filter,
                                  "envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute", limit_policy};

}  // namespace proxy
