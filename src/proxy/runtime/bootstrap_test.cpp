// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/bootstrap.h"

#include <gtest/gtest.h>

namespace proxy {
namespace {

// Why a process would not start with it; "good": it would.
std::string refusal(const std::string& text) {
  auto bootstrap = parse_bootstrap(text);
  if (!bootstrap) return bootstrap.error().message;
  auto good = validate(*bootstrap);
  return good ? "good" : good.error().message;
}

// A typed_config in flow style, e.g. typed("filters.network.echo.v3.Echo", "a: 1").
std::string typed(const std::string& type, const std::string& fields) {
  return "typed_config: {\"@type\": type.googleapis.com/envoy.extensions." + type + ", " + fields + "}";
}

std::string tcp_listener(const std::string& name, const std::string& more = "") {
  return "{name: " + name + ", address: {socket_address: {address: 127.0.0.1, port_value: 0}}, filter_chains: [{" +
         more + "filters: [{name: t, " + typed("filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix: t, cluster: c") +
         "}]}]}";
}

std::string static_resources(const std::string& resources) { return "static_resources: {" + resources + "}\n"; }

std::string api_source(const std::string& cluster) {
  return "{api_config_source: {api_type: GRPC, grpc_services: [{envoy_grpc: {cluster_name: " + cluster + "}}]}}";
}

TEST(Bootstrap, ATypoIsToldWithItsWholePath) {
  const std::string filter = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.";
  auto with = [](const std::string& fields) {
    return static_resources("listeners: [{name: a, filter_chains: [{filters: [{name: h, " +
                            typed("filters.network.tcp_proxy.v3.TcpProxy", fields) + "}]}]}]");
  };
  EXPECT_EQ(refusal(with("stat_prefx: x")).find(filter + "stat_prefx: no such field"), 0u);
  EXPECT_NE(refusal(with("stat_prefx: x")).find("--allow-unknown-static-fields"), std::string::npos);
  EXPECT_EQ(refusal(with("stat_prefix: x, idle_timeout: 5")),
            filter + "idle_timeout: 5 is no duration, such as \"1.5s\"");
  EXPECT_EQ(refusal(with("stat_prefix: x, idle_timeout: \"5\"")),
            filter + "idle_timeout: \"5\" is no duration, such as \"1.5s\"");
  EXPECT_EQ(refusal(with("stat_prefix: x, weighted_clusters: {clusters: [{name: a, weight: much}]}"))
                .find(filter + "weighted_clusters.clusters[0].weight: "),
            0u);
  EXPECT_EQ(refusal("static_resources: {clusters: [{name: a, type: STATICC}]}").find("static_resources.clusters[0]"),
            0u);
}

TEST(Bootstrap, TwoOfAOneofAreToldWithTheirPlace) {
  EXPECT_EQ(refusal(static_resources("listeners: [{name: a, filter_chains: [{filters: [{name: h, " +
                                     typed("filters.network.tcp_proxy.v3.TcpProxy",
                                           "stat_prefix: x, cluster: c, weighted_clusters: {}") +
                                     "}]}]}]"))
                .find("static_resources.listeners[0].filter_chains[0].filters[0].typed_config: "),
            0u);
}

TEST(Bootstrap, WhatIsTornIsExplainedAsWhatItIs) {
  EXPECT_NE(refusal("{\"node\": {\"id\": \"a\"").find("unexpected end of input"), std::string::npos);
  EXPECT_NE(refusal("- a\n").find("no mapping"), std::string::npos);
  EXPECT_EQ(refusal("{\"node\": {\"id\": \"a\",}}"), "good") << "is YAML";
}

TEST(Bootstrap, AnAddressThatIsANameSaysWhereThoseStand) {
  const std::string text = refusal(static_resources(
      "clusters: [{name: c, type: STATIC, load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: "
      "{address: {socket_address: {address: localhost, port_value: 80}}}}]}]}}]"));
  EXPECT_EQ(text.find("cluster c: \"localhost\" is not an IP address; names stand in clusters of type STRICT_DNS"), 0u)
      << text;
}

TEST(Bootstrap, WhatTheStartRefusesValidationRefuses) {
  const std::string named =
      "clusters: [{name: c, type: STATIC}, {name: e, type: EDS, eds_cluster_config: {eds_config: "
      "{path: /nowhere}}}]";
  auto with_source = [&](const std::string& dynamic) {
    return refusal(static_resources(named) + "dynamic_resources: {" + dynamic + "}\nnode: {id: me}\n");
  };
  EXPECT_EQ(with_source("lds_config: " + api_source("c")), "good");
  for (const auto& [dynamic, word] : std::initializer_list<std::pair<std::string, std::string>>{
           {"lds_config: {ads: {}}", "no ads_config"},
           {"lds_config: " + api_source("other"), "lds_config: cluster \"other\" is to be asked"},
           {"cds_config: " + api_source("e"), "(EDS)"},
           {"lds_config: {api_config_source: {api_type: REST}}",
            "dynamic_resources.lds_config: config source: api_type REST"},
           {"ads_config: {api_type: GRPC, grpc_services: [{envoy_grpc: {cluster_name: x}}]}",
            "ads_config: cluster \"x\""},
           {"lds_resources_locator: a", "xdstp"}})
    EXPECT_NE(with_source(dynamic).find(word), std::string::npos) << dynamic << ": " << with_source(dynamic);
  EXPECT_EQ(with_source("cds_config: {path: /nowhere}, lds_config: " + api_source("other")), "good")
      << "it may come by CDS";

  EXPECT_EQ(refusal(static_resources("listeners: [" + tcp_listener("a") + ", " + tcp_listener("a") + "]")),
            "listener a is there twice");
  EXPECT_EQ(refusal(static_resources("clusters: [{name: c, type: STATIC}, {name: c, type: STATIC}]")),
            "cluster c is there twice");
  const std::string tls = "transport_socket: {name: tls, " +
                          typed("transport_sockets.tls.v3.DownstreamTlsContext",
                                "common_tls_context: {tls_certificate_sds_secret_configs: [{name: nobody}]}") +
                          "}, ";
  EXPECT_EQ(refusal(static_resources("listeners: [" + tcp_listener("a", tls) + "]")), "Unknown static secret: nobody");

  for (const auto& [overload, word] : std::initializer_list<std::pair<std::string, std::string>>{
           {"loadshed_points: [{name: a}]", "loadshed_points"},
           {"resource_monitors: [{name: m, " + typed("resource_monitors.cgroup.v3.Other", "a: 1") + "}]", "monitor m"},
           {"actions: [{name: envoy.overload_actions.nothing}]", "action envoy.overload_actions.nothing"}})
    EXPECT_NE(refusal("overload_manager: {" + overload + "}").find(word), std::string::npos) << overload;
  EXPECT_NE(refusal("admin: {address: {socket_address: {address: here, port_value: 1}}}").find("not an IP address"),
            std::string::npos);
}

TEST(Bootstrap, WhatAnEnvoyMayHaveBesidesIsPassedOver) {
  EXPECT_EQ(
      refusal("watchdogs: {worker_watchdog: {miss_timeout: 1s}}\nstats_sinks: [{name: s, typed_config: {\"@type\": "
              "type.googleapis.com/envoy.config.metrics.v3.StatsdSink}}]\n"),
      "good");
}

}  // namespace
}  // namespace proxy
