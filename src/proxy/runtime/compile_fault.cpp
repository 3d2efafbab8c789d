// SPDX-License-Identifier: Apache-2.0
#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "proxy/filter/cors.h"
#include "proxy/filter/fault.h"
#include "proxy/runtime/compile_filters.h"

namespace proxy {
namespace {

using envoy::extensions::filters::http::fault::v3::HTTPFault;
using google::protobuf::Any;

// Of a million, one unit of the percentage.
uint32_t step_of(const envoy::type::v3::FractionalPercent& from) {
  envoy::type::v3::FractionalPercent one = from;
  one.set_numerator(1);
  return per_million(one);
}

base::Result<FaultPolicy> fault_of(const HTTPFault& from) {
  FaultPolicy out;
  out.upstream_cluster = from.upstream_cluster();
  out.delay_by_header = from.delay().has_header_delay();
  out.abort_by_header = from.abort().has_header_abort();
  out.delay_step = step_of(from.delay().percentage());
  out.abort_step = step_of(from.abort().percentage());
  out.delay = milliseconds_of(from.delay().fixed_delay());
  if (from.has_delay()) out.delay_per_million = per_million(from.delay().percentage());
  out.abort_status = static_cast<int>(from.abort().http_status());
  if (from.abort().has_grpc_status()) out.abort_grpc_status = static_cast<int>(from.abort().grpc_status());
  if (from.has_abort()) out.abort_per_million = per_million(from.abort().percentage());
  if (from.has_abort() && !out.abort_by_header && !out.abort_grpc_status &&
      (out.abort_status < 200 || out.abort_status > 599))
    return base::fail(base::ErrorKind::Invalid, "fault abort with status " + std::to_string(out.abort_status));
  for (const auto& header : from.headers()) out.headers.push_back(TRY(compile(header)));
  out.downstream_nodes.assign(from.downstream_nodes().begin(), from.downstream_nodes().end());
  if (from.has_max_active_faults()) out.most_active = from.max_active_faults().value();
  if (!from.has_response_rate_limit()) return out;
  const auto& rate = from.response_rate_limit();
  out.rate_by_header = rate.has_header_limit();
  out.rate_kib = rate.fixed_limit().limit_kbps();
  out.rate_per_million = per_million(rate.percentage());
  out.rate_step = step_of(rate.percentage());
  if (!out.rate_by_header && !out.rate_kib)
    return base::fail(base::ErrorKind::Invalid, "fault response_rate_limit: a limit above 0 is needed");
  return out;
}

template <typename From>
base::Result<CorsPolicy> cors_of(const From& from) {
  CorsPolicy out;
  for (const auto& origin : from.allow_origin_string_match()) out.origins.push_back(TRY(compile(origin)));
  out.methods = from.allow_methods();
  out.headers = from.allow_headers();
  out.expose = from.expose_headers();
  out.max_age = from.max_age();
  if (from.has_allow_credentials()) out.credentials = from.allow_credentials().value();
  if (from.has_forward_not_matching_preflights())
    out.forward_unmatched_preflights = from.forward_not_matching_preflights().value();
  if (from.has_filter_enabled()) out.enabled = per_million(from.filter_enabled().default_value()) > 0;
  return out;
}

Slot counter_of(const Compiler& compiler, const char* leaf) {
  return compiler.slots.counter(
      telemetry::StatName(std::string("http.{envoy_http_conn_manager_prefix}.") + leaf, {compiler.stat_prefix}));
}

base::Result<std::shared_ptr<Filter>> fault_filter(const Compiler& compiler, const Any& any) {
  FaultPolicy policy = TRY(fault_of(TRY(unpack<HTTPFault>(any))));
  return std::make_shared<FaultFilter>(
      std::move(policy), FaultFilter::Counters{.aborts = counter_of(compiler, "fault.aborts_injected"),
                                               .delays = counter_of(compiler, "fault.delays_injected"),
                                               .overflow = counter_of(compiler, "fault.faults_overflow"),
                                               .slowed = counter_of(compiler, "fault.response_rl_injected")});
}
base::Result<std::shared_ptr<const FilterPolicy>> fault_policy(const Compiler&, const Any& any) {
  return std::make_shared<const FaultPolicy>(TRY(fault_of(TRY(unpack<HTTPFault>(any)))));
}
base::Result<std::shared_ptr<Filter>> cors_filter(const Compiler& compiler, const Any&) {
  return std::make_shared<CorsFilter>(counter_of(compiler, "cors.origin_valid"),
                                      counter_of(compiler, "cors.origin_invalid"));
}
base::Result<std::shared_ptr<const FilterPolicy>> cors_policy(const Compiler&, const Any& any) {
  return std::make_shared<const CorsPolicy>(
      TRY(cors_of(TRY(unpack<envoy::extensions::filters::http::cors::v3::CorsPolicy>(any)))));
}

}  // namespace

const FilterKind kFaultFilter{"envoy.extensions.filters.http.fault.v3.HTTPFault", fault_filter,
                              "envoy.extensions.filters.http.fault.v3.HTTPFault", fault_policy};
const FilterKind kCorsFilter{"envoy.extensions.filters.http.cors.v3.Cors", cors_filter,
                             "envoy.extensions.filters.http.cors.v3.CorsPolicy", cors_policy};

}  // namespace proxy
