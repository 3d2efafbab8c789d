// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <map>

#include "base/strings.h"
#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "envoy/type/v3/percent.pb.h"
#include "translate/route.h"

namespace translate {
namespace {

namespace cors_v3 = envoy::extensions::filters::http::cors::v3;
namespace fault_v3 = envoy::extensions::filters::http::fault::v3;

constexpr std::string_view kGrpcStatus[] = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

uint32_t grpc_status_of(std::string_view text) {
  if (auto number = base::parse_number<uint32_t>(text)) return *number;
  for (uint32_t code = 0; code < std::size(kGrpcStatus); ++code)
    if (text == kGrpcStatus[code]) return code;
  return 2;
}

void set_percent(type_v3::FractionalPercent* out, double percent) {
  out->set_numerator(static_cast<uint32_t>(std::lround(percent * 10'000)));
  out->set_denominator(type_v3::FractionalPercent::MILLION);
}

void apply_fault(routes_v3::Route& out, const istio_api::HTTPFaultInjection& fault) {
  fault_v3::HTTPFault config;
  if (fault.has_delay()) {
    auto* delay = config.mutable_delay();
    const auto& from = fault.delay();
    set_percent(delay->mutable_percentage(), from.has_percentage() ? from.percentage().value() : from.percent());
    *delay->mutable_fixed_delay() = from.fixed_delay();
  }
  if (fault.has_abort()) {
    auto* abort = config.mutable_abort();
    set_percent(abort->mutable_percentage(), fault.abort().has_percentage() ? fault.abort().percentage().value() : 100);
    if (fault.abort().has_grpc_status())
      abort->set_grpc_status(grpc_status_of(fault.abort().grpc_status()));
    else
      abort->set_http_status(static_cast<uint32_t>(fault.abort().http_status()));
  }
  pack(config, &(*out.mutable_typed_per_filter_config())["envoy.filters.http.fault"]);
}

void apply_cors(routes_v3::Route& out, const istio_api::CorsPolicy& cors) {
  using Unmatched = istio_api::CorsPolicy;
  cors_v3::CorsPolicy config;
  for (const auto& origin : cors.allow_origins()) fill(*config.add_allow_origin_string_match(), origin);
  for (const std::string& origin : cors.allow_origin()) config.add_allow_origin_string_match()->set_exact(origin);
  config.set_allow_methods(base::join(cors.allow_methods(), ","));
  config.set_allow_headers(base::join(cors.allow_headers(), ","));
  config.set_expose_headers(base::join(cors.expose_headers(), ","));
  if (cors.has_max_age()) config.set_max_age(std::to_string(cors.max_age().seconds()));
  if (cors.has_allow_credentials()) config.mutable_allow_credentials()->set_value(cors.allow_credentials().value());
  config.mutable_filter_enabled()->mutable_default_value()->set_numerator(100);
  config.mutable_forward_not_matching_preflights()->set_value(cors.unmatched_preflights() != Unmatched::IGNORE);
  pack(config, &(*out.mutable_typed_per_filter_config())["envoy.filters.http.cors"]);
}

bool is_host(std::string_view name) { return name == ":authority" || base::equal_ignoring_case(name, "host"); }

// Adds headers of one direction, in order of their names; what names the host
// is not a header to the proxy and is returned.
std::string add_headers(google::protobuf::RepeatedPtrField<core::HeaderValueOption>* out,
                        const istio_api::Headers_HeaderOperations& operations) {
  std::string host;
  auto add = [&](const auto& map, core::HeaderValueOption::HeaderAppendAction action) {
    std::map<std::string, std::string> sorted(map.begin(), map.end());
    for (const auto& [name, value] : sorted) {
      if (is_host(name)) {
        host = value;
      } else if (!name.starts_with(':')) {
        auto* option = out->Add();
        option->mutable_header()->set_key(name);
        option->mutable_header()->set_value(value);
        option->set_append_action(action);
      }
    }
  };
  add(operations.set(), core::HeaderValueOption::OVERWRITE_IF_EXISTS_OR_ADD);
  add(operations.add(), core::HeaderValueOption::APPEND_IF_EXISTS_OR_ADD);
  return host;
}

}  // namespace

void apply_filters(routes_v3::Route& out, const istio_api::HTTPRoute& http) {
  if (http.has_fault()) apply_fault(out, http.fault());
  if (http.has_cors_policy()) apply_cors(out, http.cors_policy());
}

void apply_headers(routes_v3::Route& out, const istio_api::Headers& headers) {
  std::string host = add_headers(out.mutable_request_headers_to_add(), headers.request());
  if (!host.empty() && out.has_route()) out.mutable_route()->set_host_rewrite_literal(host);
  add_headers(out.mutable_response_headers_to_add(), headers.response());
  for (const std::string& name : headers.request().remove())
    if (!name.starts_with(':') && !is_host(name)) out.add_request_headers_to_remove(name);
  for (const std::string& name : headers.response().remove())
    if (!name.starts_with(':') && !is_host(name)) out.add_response_headers_to_remove(name);
}

}  // namespace translate
