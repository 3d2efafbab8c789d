// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/runtime_values.h"

#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "proxy/runtime/harness.h"

namespace proxy {
namespace {

using namespace proxy::testing;

RuntimeValues values_of(const std::string& layers) {
  auto bootstrap = parse_bootstrap("layered_runtime: {layers: [" + layers + "]}\n");
  EXPECT_TRUE(bootstrap) << (bootstrap ? "" : bootstrap.error().message);
  return bootstrap ? runtime_values_of(*bootstrap) : RuntimeValues();
}

TEST(Runtime, TheLastLayerThatNamesAKeyCountsAndLevelsAreDots) {
  auto values = values_of(
      "{name: a, static_layer: {x: {first: 1, z: {numerator: 5, denominator: MILLION}}, w: 2}}, "
      "{name: b, static_layer: {x.first: 3}}");
  ASSERT_EQ(values.size(), 3u);
  EXPECT_EQ(values.find("x.first")->second.number_value(), 3);
  EXPECT_TRUE(values.find("x.z")->second.has_struct_value());
}

TEST(Runtime, AValueStandsInItsDefaultsPlaceIfItIsOfItsKind) {
  auto values = values_of("{name: a, static_layer: {ten: 10, tiny: {numerator: 5, denominator: MILLION}, word: x}}");
  auto settled = [&](const char* key) {
    envoy::config::core::v3::RuntimeFractionalPercent out;
    out.set_runtime_key(key);
    out.mutable_default_value()->set_numerator(70);
    bool changed = settle_runtime(out, values);
    return std::tuple(changed, out.default_value().numerator(), static_cast<int>(out.default_value().denominator()));
  };
  EXPECT_EQ(settled("ten"), std::tuple(true, 10u, 0));
  EXPECT_EQ(settled("tiny"), std::tuple(true, 5u, 2));
  EXPECT_EQ(settled("word"), std::tuple(false, 70u, 0));
  EXPECT_EQ(settled("nothing"), std::tuple(false, 70u, 0));
}

TEST(Runtime, WeightsAndFaultsOfARunningProxyAreTheRuntimes) {
  net::Loop loop;
  Backend backend(loop);
  const std::string routes =
      "              - {match: {prefix: /fault}, route: {cluster: backend}, typed_per_filter_config: "
      "{envoy.filters.http.fault: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, "
      "abort: {http_status: 503, percentage: {numerator: 0}}}}}\n"
      "              - {match: {prefix: /weights}, route: {weighted_clusters: {runtime_key_prefix: shift, clusters: "
      "[{name: dead, weight: 100}, {name: backend, weight: 0}]}}}\n"
      "              - {match: {prefix: /fraction, runtime_fraction: {default_value: {numerator: 100}, runtime_key: "
      "canary}}, direct_response: {status: 418}}\n"
      "              - {match: {prefix: /}, route: {cluster: backend}}\n";
  const std::string clusters = cluster_of("backend", "@backend") + cluster_of("dead", "1");
  Proxy proxy(loop,
              bootstrap_of(routes, clusters) +
                  "layered_runtime: {layers: [{name: a, static_layer: {fault.http.abort.abort_percent: 100, "
                  "fault: {http: {abort: {http_status: 555}}}, shift: {dead: 0, backend: 100}, canary: 0}}]}\n",
              backend.port());
  EXPECT_EQ(get(loop, proxy.port(), "/fault").status, 555);
  EXPECT_EQ(get(loop, proxy.port(), "/weights").status, 200);
  EXPECT_EQ(get(loop, proxy.port(), "/fraction").status, 200);
  Proxy plain(loop, bootstrap_of(routes, clusters), backend.port());
  EXPECT_EQ(get(loop, plain.port(), "/fault").status, 200);
  EXPECT_EQ(get(loop, plain.port(), "/weights").status, 503);
  EXPECT_EQ(get(loop, plain.port(), "/fraction").status, 418);
}

}  // namespace
}  // namespace proxy
