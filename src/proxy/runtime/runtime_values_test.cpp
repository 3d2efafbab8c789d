// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/runtime_values.h"

#include "base/json.h"
#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "proxy/runtime/harness.h"
#include "proxy/runtime/runtime_layers.h"

namespace proxy {
namespace {

using namespace proxy::testing;

RuntimeLayers layers_of(const std::string& text) {
  auto bootstrap = parse_bootstrap("layered_runtime: {layers: [" + text + "]}\n");
  EXPECT_TRUE(bootstrap) << bootstrap.error().message;
  auto layers = RuntimeLayers::of(*bootstrap);
  EXPECT_TRUE(layers) << layers.error().message;
  return std::move(*layers);
}

RuntimeValues values_of(const std::string& text) { return layers_of(text).values(); }

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

TEST(Runtime, TheAdminLayerIsWrittenAndItsTextsMeanWhatTheySay) {
  RuntimeLayers layers = layers_of("{name: s, static_layer: {a: 1, b: 2}}, {name: adm, admin_layer: {}}");
  const RuntimeLayers::Change changes[] = {
      {"a", "0x64"}, {"a", "5"}, {"t", "TRUE"}, {"w", "many words"}, {"f", "{numerator: 5, denominator: MILLION}"}};
  ASSERT_TRUE(layers.change(changes));
  RuntimeValues values = layers.values();
  EXPECT_EQ(values["a"].number_value(), 100) << "the first of one key counts";
  EXPECT_EQ(values["b"].number_value(), 2);
  EXPECT_TRUE(values["t"].bool_value());
  EXPECT_EQ(values["w"].string_value(), "many words");
  EXPECT_EQ(runtime_fraction(values["f"])->numerator(), 5u);
  EXPECT_EQ(text_of(layers.layers()[1].values.at("a")), "0x64");
  const RuntimeLayers::Change undo[] = {{"a", ""}, {"never", ""}};
  ASSERT_TRUE(layers.change(undo));
  EXPECT_EQ(layers.values()["a"].number_value(), 1);
  EXPECT_EQ(layers_of("{name: s, static_layer: {a: 1}}").change(changes).error().message, "No admin layer specified");
  auto refused = [](const std::string& text) {
    auto of = RuntimeLayers::of(*parse_bootstrap("layered_runtime: {layers: [" + text + "]}\n"));
    return of ? std::string() : of.error().message;
  };
  EXPECT_NE(refused("{name: a, admin_layer: {}}, {name: b, admin_layer: {}}").find("Too many admin"),
            std::string::npos);
  EXPECT_EQ(refused("{name: a, admin_layer: {}}, {name: a, static_layer: {}}"), "Duplicate layer name: a");
  EXPECT_EQ(refused("{name: a, static_layer: {x: {l: [1]}}}"), "Invalid runtime entry value for x.l");
}

TEST(Runtime, AWebPageCannotChangeAnything) {
  net::Loop loop;
  Proxy proxy(loop, "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}\n" +
                        bootstrap_of("              - {match: {prefix: /}, direct_response: {status: 201}}\n",
                                     cluster_of("backend", "1")));
  auto post = [&](const std::string& host, const std::string& name = "", const std::string& value = "") {
    http::Request request;
    request.method = "POST";
    request.path = "/healthcheck/ok";
    request.authority = host;
    if (!name.empty()) request.headers.add(name, value);
    return fetch(loop, proxy.process().admin_address().port(), std::move(request)).status;
  };
  for (const char* host : {"localhost:15000", "localhost", "127.0.0.1:15000", "127.0.0.1", "[::1]:15000"})
    EXPECT_EQ(post(host), 200) << host;
  EXPECT_EQ(post("evil.example:15000"), 403);
  EXPECT_EQ(post("localhost.evil.example"), 403);
  EXPECT_EQ(post("localhost", "origin", "https://evil.example"), 403);
  EXPECT_EQ(post("localhost", "sec-fetch-site", "cross-site"), 403);
  EXPECT_EQ(post("localhost:1", "origin", "http://localhost:1"), 200);
  auto read = [&](const std::string& path, const std::string& host, bool of_a_page = false) {
    http::Request request;
    request.path = path;
    if (of_a_page) request.headers.add("sec-fetch-site", "same-site");
    request.authority = host;
    return fetch(loop, proxy.process().admin_address().port(), std::move(request)).status;
  };
  EXPECT_EQ(read("/config_dump", "localhost:15000"), 200);
  EXPECT_EQ(read("/stats", "[::1]:15000"), 200);
  for (const char* path : {"/config_dump", "/clusters", "/certs", "/"})
    EXPECT_EQ(read(path, "evil.example:15000"), 403) << path;
  EXPECT_EQ(read("/ready", "evil.example"), 200);
  EXPECT_EQ(read("/stats/prometheus", "product.shop:15090"), 200) << "a scraper, through a listener";
  EXPECT_EQ(read("/stats/prometheus", "evil.example", true), 403);
}

TEST(Runtime, WhatTheAdminPortWritesActsAtOnceAndUntilItIsTakenBack) {
  net::Loop loop;
  const std::string routes =
      "              - {match: {prefix: /a, runtime_fraction: {default_value: {numerator: 0}, runtime_key: canary}}, "
      "direct_response: {status: 418}}\n"
      "              - {match: {prefix: /}, direct_response: {status: 201}}\n";
  auto with = [&](const std::string& layers) {
    return "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}\n"
           "layered_runtime: {layers: [" +
           layers + "]}\n" + bootstrap_of(routes, cluster_of("backend", "1"));
  };
  Proxy proxy(loop, with("{name: s, static_layer: {canary: 0}}, {name: adm, admin_layer: {}}"));
  auto admin = [&](Proxy& at, const std::string& path, const std::string& form = "") {
    http::Request request;
    request.method = "POST";
    request.path = path;
    if (!form.empty()) request.headers.add("content-type", "application/x-www-form-urlencoded");
    request.body = form;
    return fetch(loop, at.process().admin_address().port(), std::move(request));
  };
  EXPECT_EQ(get(loop, proxy.port(), "/a").status, 201);
  EXPECT_EQ(admin(proxy, "/runtime_modify?canary=100").body, "OK\n");
  EXPECT_EQ(get(loop, proxy.port(), "/a").status, 418);
  const std::string shown = get(loop, proxy.process().admin_address().port(), "/runtime").body;
  auto json = base::parse_json(shown).value();
  EXPECT_EQ(json["layers"], base::Json({"s", "adm"}));
  EXPECT_EQ(json["entries"]["canary"], base::Json({{"layer_values", {"0", "100"}}, {"final_value", "100"}})) << shown;
  EXPECT_EQ(admin(proxy, "/runtime_modify", "canary=").status, 200);
  EXPECT_EQ(get(loop, proxy.port(), "/a").status, 201);
  EXPECT_EQ(admin(proxy, "/runtime_modify?envoy.resource_limits.listener.main.connection_limit=0").status, 200);
  EXPECT_EQ(raw(loop, proxy.port(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n"), "");
  EXPECT_EQ(admin(proxy, "/runtime_modify?envoy.resource_limits.listener.main.connection_limit=").status, 200);
  EXPECT_EQ(get(loop, proxy.port(), "/").status, 201);
  EXPECT_EQ(admin(proxy, "/runtime_modify").status, 400);
  Proxy without(loop, with("{name: s, static_layer: {canary: 0}}"));
  EXPECT_EQ(admin(without, "/runtime_modify?canary=100").status, 503);
}

}  // namespace
}  // namespace proxy
