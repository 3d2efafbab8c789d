// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/log.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "proxy/filter/lua.h"
#include "proxy/runtime/compile_filters.h"

namespace proxy {
namespace {

// Every kind of HTTP filter beside the router.
constexpr const FilterKind* kKinds[] = {
    &kFaultFilter,
    &kCorsFilter,
    &kBufferFilter,
    &kCompressorFilter,
    &kDecompressorFilter,
    &kGrpcStatsFilter,
    &kGrpcWebFilter,
    &kHeaderToMetadataFilter,
    &kHealthCheckFilter,
    &kLocalRateLimitFilter,
    &kLuaFilter,
    &kRateLimitFilter,
    &kRbacFilter,
    &kJwtFilter,
    &kAuthzFilter,
    &kSetMetadataFilter,
    &kStatefulSessionFilter,
};

// What these do is part of the data path itself: virtual hosts on demand, metrics, who the peer is, ALPN.
constexpr std::string_view kBuiltIn[] = {
    "envoy.extensions.filters.http.on_demand.v3.OnDemand",
    "envoy.extensions.filters.http.on_demand.v3.PerRouteConfig",
    "io.istio.http.peer_metadata.Config",
    "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
    "stats.PluginConfig",
};
bool is_built_in(std::string_view type) {
  return std::find(std::begin(kBuiltIn), std::end(kBuiltIn), type) != std::end(kBuiltIn);
}

// The policy in one entry of a typed_per_filter_config; nullptr: optional and not known, or for what is built in.
base::Result<std::shared_ptr<const FilterPolicy>> policy_of(const Compiler& compiler, const std::string& name,
                                                            const google::protobuf::Any& any, bool optional) {
  std::string type = type_of(any);
  for (const FilterKind* kind : kKinds)
    if (!kind->policy_type.empty() && kind->policy_type == type) return kind->policy(compiler, any);
  if (is_built_in(type)) return nullptr;
  if (!optional)
    return base::fail(base::ErrorKind::Invalid,
                      "per-route configuration " + type + " of filter " + name + " is not known");
  base::log::warn("per-route configuration {} of filter {} is not known; it is optional and left out", type, name);
  return nullptr;
}

}  // namespace

base::Result<Policies> Compiler::policies(const google::protobuf::Map<std::string, google::protobuf::Any>& from) const {
  Policies out;
  for (const auto& [name, any] : from) {
    Policies::Entry entry{.filter = slots.filter(name)};
    if (type_of(any) == "envoy.config.route.v3.FilterConfig") {
      auto wrapped = TRY(unpack<envoy::config::route::v3::FilterConfig>(any));
      entry.off = wrapped.disabled();
      if (!entry.off && wrapped.has_config()) {
        entry.policy = TRY(policy_of(*this, name, wrapped.config(), wrapped.is_optional()));
        if (!entry.policy && wrapped.is_optional()) continue;
      }
    } else {
      entry.policy = TRY(policy_of(*this, name, any, false));
    }
    out.add(std::move(entry));
  }
  return out;
}

base::Result<std::shared_ptr<const Filter>> Compiler::filter(
    const envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter& from) const {
  std::string type = type_of(from.typed_config());
  if (is_built_in(type)) return nullptr;
  for (const FilterKind* kind : kKinds) {
    if (kind->type != type) continue;
    auto made = kind->filter(*this, from.typed_config());
    if (!made) return base::fail(base::ErrorKind::Invalid, "HTTP filter " + from.name() + ": " + made.error().message);
    if (!*made) return nullptr;
    (*made)->slot = slots.filter(from.name());
    (*made)->off_by_default = from.disabled();
    if (auto* lua = dynamic_cast<LuaFilter*>(made->get())) lua->given_name = from.name();
    return std::move(*made);
  }
  if (from.is_optional()) {
    base::log::warn("HTTP filter {} ({}) is not known; it is optional and left out", from.name(), type);
    return nullptr;
  }
  return base::fail(base::ErrorKind::Invalid, "HTTP filter " + from.name() + " (" + type + ") is not known");
}

}  // namespace proxy
