// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/log.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "proxy/filter/cors.h"
#include "proxy/filter/fault.h"
#include "proxy/runtime/compile.h"

namespace proxy {
namespace {

using envoy::extensions::filters::http::fault::v3::HTTPFault;

constexpr std::string_view kFault = "envoy.extensions.filters.http.fault.v3.HTTPFault";
constexpr std::string_view kCors = "envoy.extensions.filters.http.cors.v3.Cors";
constexpr std::string_view kCorsPolicy = "envoy.extensions.filters.http.cors.v3.CorsPolicy";

// What these do is part of the data path itself: metrics, who the peer is, ALPN.
constexpr std::string_view kBuiltIn[] = {
    "io.istio.http.peer_metadata.Config",
    "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
    "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
    "stats.PluginConfig",
};

base::Result<FaultPolicy> fault_of(const HTTPFault& from) {
  FaultPolicy out;
  out.delay = milliseconds_of(from.delay().fixed_delay());
  if (from.has_delay()) out.delay_per_million = per_million(from.delay().percentage());
  out.abort_status = static_cast<int>(from.abort().http_status());
  if (from.abort().has_grpc_status()) out.abort_grpc_status = static_cast<int>(from.abort().grpc_status());
  if (from.has_abort()) out.abort_per_million = per_million(from.abort().percentage());
  if (from.has_abort() && !out.abort_grpc_status && (out.abort_status < 200 || out.abort_status > 599))
    return base::fail(base::ErrorKind::Invalid, "fault abort with status " + std::to_string(out.abort_status));
  for (const auto& header : from.headers()) out.headers.push_back(TRY(compile(header)));
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
  out.credentials = from.allow_credentials().value();
  if (from.has_forward_not_matching_preflights()) out.forward_unmatched_preflights = from.forward_not_matching_preflights().value();
  if (from.has_filter_enabled()) out.enabled = per_million(from.filter_enabled().default_value()) > 0;
  return out;
}

base::Result<void> add_policy(const std::string& name, const google::protobuf::Any& any, Policies& out) {
  std::string type = type_of(any);
  if (type == kFault) {
    out.fault = std::make_shared<const FaultPolicy>(TRY(fault_of(TRY(unpack<HTTPFault>(any)))));
  } else if (type == kCorsPolicy) {
    out.cors = std::make_shared<const CorsPolicy>(
        TRY(cors_of(TRY(unpack<envoy::extensions::filters::http::cors::v3::CorsPolicy>(any)))));
  } else if (std::find(std::begin(kBuiltIn), std::end(kBuiltIn), type) == std::end(kBuiltIn)) {
    return base::fail(base::ErrorKind::Invalid, "per-route configuration " + type + " of filter " + name + " is not known");
  }
  return {};
}

}  // namespace

base::Result<Policies> compile_policies(const google::protobuf::Map<std::string, google::protobuf::Any>& from) {
  Policies out;
  for (const auto& [name, any] : from) TRY(add_policy(name, any, out));
  return out;
}

base::Result<std::shared_ptr<const Filter>> compile_filter(
    const envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter& from) {
  std::string type = type_of(from.typed_config());
  if (std::find(std::begin(kBuiltIn), std::end(kBuiltIn), type) != std::end(kBuiltIn)) return nullptr;
  if (type == kFault) return std::make_shared<const FaultFilter>(TRY(fault_of(TRY(unpack<HTTPFault>(from.typed_config())))));
  if (type == kCors) return std::make_shared<const CorsFilter>();
  if (from.is_optional()) {
    base::log::warn("HTTP filter {} ({}) is not known; it is optional and left out", from.name(), type);
    return nullptr;
  }
  return base::fail(base::ErrorKind::Invalid, "HTTP filter " + from.name() + " (" + type + ") is not known");
}

}  // namespace proxy
