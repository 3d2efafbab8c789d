// SPDX-License-Identifier: Apache-2.0
#include "envoy/config/core/v3/grpc_method_list.pb.h"
#include "envoy/extensions/filters/http/grpc_stats/v3/config.pb.h"
#include "envoy/extensions/filters/http/grpc_web/v3/grpc_web.pb.h"
#include "proxy/filter/grpc_stats.h"
#include "proxy/filter/grpc_web.h"
#include "proxy/runtime/compile_filters.h"

namespace proxy {
namespace {

using google::protobuf::Any;

base::Result<std::shared_ptr<Filter>> grpc_web_filter(const Compiler&, const Any&) {
  return std::make_shared<GrpcWebFilter>();
}

// nullptr: it names no methods, and calls by cluster are counted in Istio's metrics anyway.
base::Result<std::shared_ptr<Filter>> grpc_stats_filter(const Compiler&, const Any& any) {
  auto from = TRY(unpack<envoy::extensions::filters::http::grpc_stats::v3::FilterConfig>(any));
  GrpcStatsConfig out{.all_methods = from.stats_for_all_methods().value(),
                      .replace_dots = from.replace_dots_in_grpc_service_name()};
  for (const auto& service : from.individual_method_stats_allowlist().services())
    for (const std::string& method : service.method_names()) out.methods.insert(service.name() + "/" + method);
  if (!out.all_methods && out.methods.empty()) return nullptr;
  if (from.enable_upstream_stats()) return base::fail(base::ErrorKind::Invalid, "enable_upstream_stats is not known");
  return std::make_shared<GrpcStatsFilter>(std::move(out));
}

}  // namespace

const FilterKind kGrpcWebFilter{"envoy.extensions.filters.http.grpc_web.v3.GrpcWeb", grpc_web_filter, {}};
const FilterKind kGrpcStatsFilter{"envoy.extensions.filters.http.grpc_stats.v3.FilterConfig", grpc_stats_filter, {}};

}  // namespace proxy
