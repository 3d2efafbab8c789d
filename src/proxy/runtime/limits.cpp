// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/unread.h"

namespace proxy {

static constexpr double kTiny = 1e-9;  // what a duration must be at least, to be more than none

static constexpr Limit kLimits[] = {
    {.message = "envoy.config.cluster.v3.Cluster", .field = "connect_timeout", .least = kTiny},
    {.message = "envoy.config.cluster.v3.Cluster.LeastRequestLbConfig", .field = "choice_count", .least = 2},
    {.message = "envoy.config.cluster.v3.OutlierDetection", .field = "base_ejection_time", .least = kTiny},
    {.message = "envoy.config.cluster.v3.OutlierDetection", .field = "enforcing_consecutive_5xx", .most = 100},
    {.message = "envoy.config.cluster.v3.OutlierDetection",
     .field = "enforcing_consecutive_gateway_failure",
     .most = 100},
    {.message = "envoy.config.cluster.v3.OutlierDetection", .field = "interval", .least = kTiny},
    {.message = "envoy.config.cluster.v3.OutlierDetection", .field = "max_ejection_percent", .most = 100},
    {.message = "envoy.config.core.v3.Http2ProtocolOptions",
     .field = "max_concurrent_streams",
     .least = 1,
     .most = 2147483647},
    {.message = "envoy.config.endpoint.v3.LbEndpoint", .field = "load_balancing_weight", .least = 1},
    {.message = "envoy.config.endpoint.v3.LocalityLbEndpoints", .field = "priority", .most = 128},
    {.message = "envoy.config.route.v3.QueryParameterMatcher",
     .field = "name",
     .least = 1,
     .most = 1024,
     .always = true},
    {.message = "envoy.config.route.v3.RetryPolicy.RetryBackOff",
     .field = "base_interval",
     .least = kTiny,
     .always = true},
    {.message = "envoy.config.route.v3.RetryPolicy.RetryBackOff", .field = "max_interval", .least = kTiny},
    {.message = "envoy.config.route.v3.RouteAction.HashPolicy.Cookie", .field = "name", .least = 1, .always = true},
    {.message = "envoy.config.route.v3.RouteAction.HashPolicy.Header",
     .field = "header_name",
     .least = 1,
     .always = true},
    {.message = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
     .field = "max_request_headers_kb",
     .least = 1,
     .most = 8192},
    {.message = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
     .field = "stat_prefix",
     .least = 1,
     .always = true},
    {.message = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
     .field = "stat_prefix",
     .least = 1,
     .always = true},
    {.message = "envoy.type.matcher.v3.RegexMatcher", .field = "regex", .least = 1, .always = true},
    {.message = "envoy.type.v3.Percent", .field = "value", .most = 100},
};

std::span<const Limit> limits() { return kLimits; }

}  // namespace proxy
