// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "envoy/config/core/v3/grpc_service.pb.h"
#include "proxy/runtime/compile.h"
#include "proxy/stream/side_call.h"

namespace proxy {

// One kind of HTTP filter: how its listener's message, and a route's, are compiled.
struct FilterKind {
  using Any = google::protobuf::Any;
  std::string_view type;  // of the listener's message
  base::Result<std::shared_ptr<Filter>> (*filter)(const Compiler& compiler, const Any& from);
  std::string_view policy_type;  // of a route's; empty: none
  base::Result<std::shared_ptr<const FilterPolicy>> (*policy)(const Compiler& compiler, const Any& from) = nullptr;
};

extern const FilterKind kFaultFilter;
extern const FilterKind kCorsFilter;
extern const FilterKind kBufferFilter, kCompressorFilter, kDecompressorFilter, kGrpcStatsFilter, kGrpcWebFilter,
    kHeaderToMetadataFilter, kHealthCheckFilter, kLocalRateLimitFilter, kLuaFilter, kRateLimitFilter,
    kSetMetadataFilter, kStatefulSessionFilter;
extern const FilterKind kRbacFilter;
extern const FilterKind kJwtFilter;
extern const FilterKind kAuthzFilter;

// Where a filter's gRPC calls go; `otherwise` is the timeout where none is given.
struct GrpcTarget {
  std::shared_ptr<const SideTarget> target;
  std::string authority;
  http::Headers metadata;
};
base::Result<GrpcTarget> grpc_target_of(const Compiler& compiler, const core::GrpcService& from,
                                        std::chrono::milliseconds otherwise);
// The retry_policy of a side call (envoy.config.core.v3).
base::Result<RetryPolicy> side_retry_of(const core::RetryPolicy& from);

base::Result<std::shared_ptr<const NetworkFilter>> rbac_network_filter(const Compiler& compiler,
                                                                       const google::protobuf::Any& from);
base::Result<std::shared_ptr<const NetworkFilter>> authz_network_filter(const Compiler& compiler,
                                                                        const google::protobuf::Any& from);
base::Result<std::shared_ptr<const NetworkFilter>> local_rate_network_filter(const Compiler& compiler,
                                                                             const google::protobuf::Any& from);
base::Result<std::shared_ptr<const NetworkFilter>> connection_limit_network_filter(const Compiler& compiler,
                                                                                   const google::protobuf::Any& from);

}  // namespace proxy
