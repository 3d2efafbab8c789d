// SPDX-License-Identifier: Apache-2.0
#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.pb.h"
#include "envoy/extensions/filters/network/connection_limit/v3/connection_limit.pb.h"
#include "envoy/extensions/filters/network/local_ratelimit/v3/local_rate_limit.pb.h"
#include "proxy/filter/connection_limit.h"
#include "proxy/filter/local_ratelimit.h"
#include "proxy/runtime/compile_filters.h"

namespace proxy {
namespace {

namespace local = envoy::extensions::filters::http::local_ratelimit::v3;
using envoy::config::route::v3::RateLimit;
using google::protobuf::Any;
using Kind = RateLimitAction::Kind;

base::Error invalid(std::string message) { return {.kind = base::ErrorKind::Invalid, .message = std::move(message)}; }
auto refuse(std::string message) { return std::unexpected(invalid(std::move(message))); }

std::string or_else(const std::string& text, std::string_view other) {
  return text.empty() ? std::string(other) : text;
}

base::Result<RateLimitAction> metadata_action(const RateLimit::Action::MetaData& from) {
  RateLimitAction out{.kind = Kind::Metadata, .key = from.descriptor_key(), .name = from.metadata_key().key()};
  out.of_route = from.source() == RateLimit::Action::MetaData::ROUTE_ENTRY;
  for (const auto& segment : from.metadata_key().path()) out.path.push_back(segment.key());
  out.fallback = from.default_value();
  out.skip_if_absent = from.skip_if_absent();
  return out;
}

base::Result<RateLimitAction> action_of(const RateLimit::Action& from) {
  using From = RateLimit::Action;
  switch (from.action_specifier_case()) {
    case From::kSourceCluster:
      return RateLimitAction{.kind = Kind::SourceCluster, .key = "source_cluster"};
    case From::kDestinationCluster:
      return RateLimitAction{.kind = Kind::DestinationCluster, .key = "destination_cluster"};
    case From::kRequestHeaders: {
      const auto& header = from.request_headers();
      return RateLimitAction{.kind = Kind::Header,
                             .key = header.descriptor_key(),
                             .name = base::to_lower(header.header_name()),
                             .skip_if_absent = header.skip_if_absent()};
    }
    case From::kQueryParameters: {
      const auto& query = from.query_parameters();
      return RateLimitAction{.kind = Kind::Query,
                             .key = query.descriptor_key(),
                             .name = query.query_parameter_name(),
                             .skip_if_absent = query.skip_if_absent()};
    }
    case From::kRemoteAddress:
      return RateLimitAction{.kind = Kind::RemoteAddress, .key = "remote_address"};
    case From::kMaskedRemoteAddress: {
      RateLimitAction out{.kind = Kind::MaskedRemoteAddress, .key = "masked_remote_address"};
      if (from.masked_remote_address().has_v4_prefix_mask_len())
        out.v4_bits = from.masked_remote_address().v4_prefix_mask_len().value();
      if (from.masked_remote_address().has_v6_prefix_mask_len())
        out.v6_bits = from.masked_remote_address().v6_prefix_mask_len().value();
      return out;
    }
    case From::kGenericKey:
      return RateLimitAction{.kind = Kind::GenericKey,
                             .key = or_else(from.generic_key().descriptor_key(), "generic_key"),
                             .value = from.generic_key().descriptor_value()};
    case From::kHeaderValueMatch: {
      const auto& match = from.header_value_match();
      RateLimitAction out{.kind = Kind::HeaderValueMatch,
                          .key = or_else(match.descriptor_key(), "header_match"),
                          .value = match.descriptor_value()};
      if (match.has_expect_match()) out.expect_match = match.expect_match().value();
      for (const auto& header : match.headers()) out.headers.push_back(TRY(compile(header)));
      return out;
    }
    case From::kQueryParameterValueMatch: {
      const auto& match = from.query_parameter_value_match();
      RateLimitAction out{.kind = Kind::QueryValueMatch,
                          .key = or_else(match.descriptor_key(), "query_match"),
                          .value = match.descriptor_value()};
      if (match.has_expect_match()) out.expect_match = match.expect_match().value();
      for (const auto& parameter : match.query_parameters()) {
        QueryMatch query{.name = parameter.name()};
        if (parameter.has_string_match()) query.value = TRY(compile(parameter.string_match()));
        if (parameter.has_present_match()) query.present = parameter.present_match();
        out.query.push_back(std::move(query));
      }
      return out;
    }
    case From::kMetadata:
      return metadata_action(from.metadata());
    case From::kDynamicMetadata:
      return refuse("rate limit action dynamic_metadata is deprecated: use metadata");
    case From::kExtension:
      return refuse("rate limit action " + from.extension().name() + " is not known");
    default:
      return refuse("a rate limit action of no kind that is known");
  }
}

base::Result<TokenBucket::Rate> rate_of(const envoy::type::v3::TokenBucket& from) {
  auto every = milliseconds_of(from.fill_interval());
  if (every < std::chrono::milliseconds(50)) return refuse("local rate limit token bucket fill timer must be >= 50ms");
  uint32_t fill = from.has_tokens_per_fill() ? from.tokens_per_fill().value() : 1;
  if (!from.max_tokens() || !fill) return refuse("token_bucket: max_tokens and tokens_per_fill must be greater than 0");
  return TokenBucket::Rate{.most = from.max_tokens(), .per_second = fill * 1000.0 / static_cast<double>(every.count())};
}

base::Result<void> add_limits(const local::LocalRateLimit& from, LocalRateLimit& out) {
  for (const auto& descriptor : from.descriptors()) {
    LocalRateLimit::Limit limit{.rate = TRY(rate_of(descriptor.token_bucket()))};
    for (const auto& entry : descriptor.entries()) {
      if (entry.value().empty())
        return refuse("descriptor entry \"" + entry.key() +
                      "\" has no value: descriptors that any value matches are not known");
      limit.entries.emplace_back(entry.key(), entry.value());
    }
    for (const auto& other : out.limits)
      if (other.entries == limit.entries) return refuse("duplicate descriptor in the local rate descriptor");
    out.limits.push_back(std::move(limit));
  }
  return {};
}

base::Result<std::shared_ptr<const LocalRateLimit>> limit_of(const Compiler& compiler, const Any& any) {
  auto from = TRY(unpack<local::LocalRateLimit>(any));
  auto out = std::make_shared<LocalRateLimit>();
  if (from.has_local_cluster_rate_limit()) return refuse("local_cluster_rate_limit is not known");
  if (from.has_max_dynamic_descriptors() && from.max_dynamic_descriptors().value())
    return refuse("max_dynamic_descriptors is not known");
  if (from.stat_prefix().empty()) return refuse("stat_prefix must not be empty");
  out->status = from.status().code() >= 400 ? from.status().code() : 429;
  if (from.has_token_bucket()) out->rate = TRY(rate_of(from.token_bucket()));
  TRY(add_limits(from, *out));
  if (from.has_filter_enabled()) out->enabled_per_million = per_million(from.filter_enabled().default_value());
  if (from.has_filter_enforced()) out->enforced_per_million = per_million(from.filter_enforced().default_value());
  out->request_when_not_enforced = TRY(compile_headers(from.request_headers_to_add_when_not_enforced()));
  out->response = TRY(compile_headers(from.response_headers_to_add()));
  out->stage = from.stage();
  out->per_connection = from.local_rate_limit_per_downstream_connection();
  out->tell = from.enable_x_ratelimit_headers() == envoy::extensions::common::ratelimit::v3::DRAFT_VERSION_03;
  if (from.has_always_consume_default_token_bucket())
    out->always_take_fallback = from.always_consume_default_token_bucket().value();
  out->resource_exhausted = from.rate_limited_as_resource_exhausted();
  if (from.vh_rate_limits() == envoy::extensions::common::ratelimit::v3::INCLUDE) out->hosts = HostRateLimits::Too;
  if (from.vh_rate_limits() == envoy::extensions::common::ratelimit::v3::IGNORE) out->hosts = HostRateLimits::Never;
  out->rules = TRY(compile_rate_limits(from.rate_limits()));
  if (!out->per_connection) out->buckets = std::make_unique<LocalRateLimit::Buckets>(*out);
  auto counter = [&](const char* leaf) {
    return compiler.slots.counter(telemetry::StatName(
        std::string("{envoy_local_http_ratelimit_prefix}.http_local_rate_limit.") + leaf, {from.stat_prefix()}));
  };
  out->enabled = counter("enabled");
  out->enforced = counter("enforced");
  out->limited = counter("rate_limited");
  out->ok = counter("ok");
  return out;
}

base::Result<std::shared_ptr<Filter>> local_filter(const Compiler& compiler, const Any& any) {
  return std::make_shared<LocalRateLimitFilter>(TRY(limit_of(compiler, any)));
}
base::Result<std::shared_ptr<const FilterPolicy>> local_policy(const Compiler& compiler, const Any& any) {
  auto limit = TRY(limit_of(compiler, any));
  if (!limit->rate) return refuse("local rate limit token bucket must be set for per filter configs");
  return std::shared_ptr<const FilterPolicy>(std::move(limit));
}

}  // namespace

base::Result<std::vector<RateLimitRule>> compile_rate_limits(
    const google::protobuf::RepeatedPtrField<RateLimit>& from) {
  std::vector<RateLimitRule> out;
  for (const auto& rule : from) {
    RateLimitRule made{.stage = rule.stage().value()};
    if (rule.has_limit()) return refuse("rate_limits.limit is not known");
    if (rule.apply_on_stream_done()) return refuse("rate_limits.apply_on_stream_done is not known");
    if (!rule.hits_addend().format().empty()) return refuse("rate_limits.hits_addend.format is not known");
    if (rule.hits_addend().has_number()) made.hits = rule.hits_addend().number().value();
    if (rule.actions().empty()) return refuse("rate_limits without actions");
    for (const auto& action : rule.actions()) made.actions.push_back(TRY(action_of(action)));
    out.push_back(std::move(made));
  }
  return out;
}

base::Result<std::shared_ptr<const NetworkFilter>> local_rate_network_filter(const Compiler& compiler, const Any& any) {
  auto from = TRY(unpack<envoy::extensions::filters::network::local_ratelimit::v3::LocalRateLimit>(any));
  if (!from.share_key().empty()) return refuse("network local_ratelimit: share_key is not known");
  auto rate = TRY(rate_of(from.token_bucket()));
  if (from.runtime_enabled().has_default_value() && !from.runtime_enabled().default_value().value()) return nullptr;
  Slot limited = compiler.slots.counter(telemetry::StatName(
      "local_rate_limit.{envoy_local_network_ratelimit_prefix}.rate_limited", {from.stat_prefix()}));
  return std::make_shared<const LocalConnectionRate>(std::make_shared<TokenBucket>(rate), limited);
}

base::Result<std::shared_ptr<const NetworkFilter>> connection_limit_network_filter(const Compiler& compiler,
                                                                                   const Any& any) {
  auto from = TRY(unpack<envoy::extensions::filters::network::connection_limit::v3::ConnectionLimit>(any));
  if (!from.max_connections().value()) return refuse("connection_limit: max_connections must be greater than 0");
  if (milliseconds_of(from.delay()).count() > 0)
    return refuse("connection_limit: delay is not known: connections over the limit are closed at once");
  if (from.has_runtime_enabled() && from.runtime_enabled().has_default_value() &&
      !from.runtime_enabled().default_value().value())
    return nullptr;
  Slot limited = compiler.slots.counter(telemetry::StatName(
      "connection_limit.{envoy_connection_limit_prefix}.limited_connections", {from.stat_prefix()}));
  return std::make_shared<const ConnectionLimitFilter>(from.max_connections().value(), limited);
}

const FilterKind kLocalRateLimitFilter{"envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", local_filter,
                                       "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", local_policy};

}  // namespace proxy
