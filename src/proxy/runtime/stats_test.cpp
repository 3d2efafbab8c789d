// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>
#include <fstream>
#include <set>
#include <sstream>

#include "proxy/admin/dump.h"
#include "proxy/runtime/blocking_socket.h"
#include "proxy/runtime/harness.h"

// What is counted and logged, under the names that Envoy 1.40 uses.
namespace proxy {
namespace {

using namespace proxy::testing;

class Stats : public ::testing::Test {
 protected:
  std::string with_log(const std::string& path, const std::string& routes) {
    std::string out =
        bootstrap_of(routes, cluster_of("backend", "@backend"),
                     "          access_log: [" +
                         log(path,
                             "request %RESPONSE_CODE% "
                             "%RESPONSE_CODE_DETAILS% %ACCESS_LOG_TYPE%") +
                         ", " + log(path, "grpc ok", ", filter: {grpc_status_filter: {statuses: [OK]}}") + "]\n");
    out.insert(out.find("    filter_chains:"),
               "    access_log: [" + log(path, "connection %PROTOCOL% %BYTES_RECEIVED% %ACCESS_LOG_TYPE%") + "]\n");
    return out;
  }
  static std::string log(const std::string& path, const std::string& format, const std::string& more = "") {
    return "{name: l, typed_config: {\"@type\": "
           "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, "
           "path: " +
           path + ", log_format: {text_format_source: {inline_string: \"" + format + "\\n\"}}}" + more + "}";
  }
  static std::string with_admin(const std::string& more = "") {
    return "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}\n" + more +
           bootstrap_of("              - {match: {prefix: /}, route: {cluster: backend}}\n",
                        cluster_of("backend", "@backend"));
  }
  static uint16_t admin(Proxy& proxy) { return proxy.process().admin_address().port(); }
  net::Loop loop_;
  Backend backend_{loop_};
};

TEST_F(Stats, CarryTheNamesAndNumbersThatDashboardsAskFor) {
  Proxy proxy(loop_,
              bootstrap_of("              - {match: {prefix: /}, route: {cluster: backend}}\n",
                           cluster_of("backend", "@backend") + cluster_of("idle", "1")),
              backend_.port());
  EXPECT_EQ(get(loop_, proxy.port(), "/x").status, 200);
  auto stats = counted(proxy);
  const std::string listener = "listener.127.0.0.1_0.";
  const std::pair<std::string, double> expected[] = {
      {"cluster.backend.membership_total", 1},
      {"cluster.backend.membership_healthy", 1},
      {"cluster.idle.membership_total", 1},
      {"cluster.backend.upstream_cx_http1_total", 1},
      {"cluster.backend.upstream_cx_connect_ms", 1},
      {"cluster.backend.upstream_rq_200", 1},
      {"cluster.backend.upstream_rq_2xx", 1},
      {"cluster.backend.upstream_rq_cancelled", 0},
      {"cluster.backend.circuit_breakers.default.cx_open", 0},
      {"cluster.backend.circuit_breakers.high.rq_pending_open", 0},
      {"http.main.downstream_cx_total", 1},
      {"http.main.downstream_rq_2xx", 1},
      {"http.main.rq_total", 1},
      {listener + "downstream_cx_total", 1},
      {listener + "downstream_pre_cx_active", 0},
      {listener + "no_filter_chain_match", 0},
      {listener + "ssl.handshake", 0},
      {listener + "http.main.downstream_rq_completed", 1},
      {"cluster_manager.active_clusters", 2},
      {"cluster_manager.cds.update_success", 0},
      {"listener_manager.lds.update_success", 0},
      {"listener_manager.total_listeners_active", 1},
      {"listener_manager.workers_started", 1},
      {"server.concurrency", 2},
      {"server.days_until_first_cert_expiring", 4294967295},
      {"server.live", 1},
      {"server.state", 0},
  };
  for (const auto& [name, value] : expected) {
    auto it = stats.find(name);
    ASSERT_NE(it, stats.end()) << name;
    EXPECT_EQ(it->second, value) << name;
  }
  EXPECT_GT(stats["cluster.backend.upstream_cx_rx_bytes_total"], 0) << "of a connection that is still open";
  EXPECT_GT(stats["cluster.backend.upstream_cx_tx_bytes_total"], 0);
  for (const char* name : {"server.uptime", "server.memory_allocated", "server.memory_heap_size",
                           "server.total_connections", "cluster.backend.upstream_cx_rx_bytes_total",
                           "http.main.downstream_cx_rx_bytes_total", "http.main.downstream_cx_length_ms"})
    EXPECT_TRUE(stats.contains(name)) << name;
  // ThreadSanitizer's allocator tells mallinfo2 nothing.
  if (mallinfo2().uordblks > 0) {
    EXPECT_GT(stats["server.memory_allocated"], 0);
  }
}

TEST_F(Stats, TellWhyATryEndedAndHowRetriesWaited) {
  Proxy proxy(
      loop_,
      bootstrap_of("              - {match: {prefix: /}, route: {cluster: backend, retry_policy: {retry_on: 5xx, "
                   "num_retries: 1, per_try_idle_timeout: 0.05s, retry_back_off: {base_interval: 0.001s}}}}\n",
                   cluster_of("backend", "@backend")),
      backend_.port());
  EXPECT_EQ(get(loop_, proxy.port(), "/fail-first/a").status, 200);
  EXPECT_EQ(get(loop_, proxy.port(), "/slow").status, 504);
  auto stats = counted(proxy);
  EXPECT_EQ(stats["cluster.backend.upstream_rq_per_try_idle_timeout"], 2);
  EXPECT_EQ(stats["cluster.backend.upstream_rq_per_try_timeout"], 0);
  EXPECT_EQ(stats["cluster.backend.upstream_rq_retry_backoff_exponential"], 2);
  EXPECT_EQ(stats["cluster.backend.upstream_rq_retry_backoff_ratelimited"], 0);
  EXPECT_EQ(stats["cluster.backend.upstream_rq_503"], 0) << "it was tried again";
  EXPECT_EQ(stats["cluster.backend.retry.upstream_rq_503"], 1);
  EXPECT_EQ(stats["cluster.backend.retry.upstream_rq_completed"], 1);
  EXPECT_EQ(stats["cluster.backend.upstream_rq_200"], 1);
  EXPECT_EQ(stats["cluster.backend.upstream_rq_504"], 1) << "in the endpoint's stead";
  EXPECT_EQ(stats["cluster.backend.upstream_rq_completed"], 2);
  EXPECT_EQ(stats["http.main.downstream_cx_http1_total"], 2);
  EXPECT_EQ(stats["http.main.downstream_cx_http2_active"], 0);
}

static net::Task<void> until_lines(net::Loop& loop, const std::string& path, size_t wanted) {
  auto lines = [&] {
    std::ifstream file(path);
    size_t out = 0;
    for (std::string line; std::getline(file, line);) ++out;
    return out;
  };
  while (lines() < wanted) co_await net::sleep(loop, std::chrono::milliseconds(5));
}

TEST_F(Stats, AListenersLogTellsOfConnectionsAndRedirectsAreLoggedEach) {
  const std::string path = ::testing::TempDir() + "stats_test." + std::to_string(getpid()) + ".log";
  {
    Proxy proxy(loop_,
                with_log(path,
                         "              - {match: {prefix: /redirect}, route: {cluster: backend, "
                         "internal_redirect_policy: {max_internal_redirects: 1}}}\n"
                         "              - {match: {prefix: /}, route: {cluster: backend}}\n"),
                backend_.port());
    EXPECT_EQ(get(loop_, proxy.port(), "/redirect/http://shop/landed").status, 200);
    net::run_to_end(loop_, until_lines(loop_, path, 3));
  }
  std::ifstream file(path);
  std::set<std::string> lines;
  for (std::string line; std::getline(file, line);)
    lines.insert(line.starts_with("connection") ? line.substr(0, 19) : line);
  unlink(path.c_str());
  EXPECT_TRUE(lines.contains("request 302 internal_redirect DownstreamEnd")) << lines.size();
  EXPECT_TRUE(lines.contains("request 200 via_upstream DownstreamEnd"));
  EXPECT_TRUE(lines.contains("connection HTTP/1.1"));
  EXPECT_FALSE(lines.contains("grpc ok"));
}

TEST_F(Stats, TellWhatInspectorsFoundAndWhatFiltersDid) {
  std::string bootstrap = bootstrap_of(
      "              - match: {prefix: /abort}\n                direct_response: {status: 200}\n"
      "                typed_per_filter_config: {envoy.filters.http.fault: {\"@type\": "
      "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, abort: {http_status: 503, percentage: "
      "{numerator: 100}}}}\n"
      "              - {match: {prefix: /}, direct_response: {status: 200}}\n",
      "");
  bootstrap.insert(bootstrap.find("    filter_chains:"),
                   "    listener_filters:\n"
                   "    - {name: t, typed_config: {\"@type\": "
                   "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}}\n"
                   "    - {name: h, typed_config: {\"@type\": "
                   "type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector}}\n");
  Proxy proxy(loop_, bootstrap);
  EXPECT_EQ(get(loop_, proxy.port(), "/abort").status, 503);
  EXPECT_EQ(get(loop_, proxy.port(), "/", http::Version::Http2).status, 200);
  auto stats = counted(proxy);
  EXPECT_EQ(stats["http.main.fault.aborts_injected"], 1);
  EXPECT_EQ(stats["http.main.fault.delays_injected"], 0);
  EXPECT_EQ(stats["tls_inspector.tls_not_found"], 2);
  EXPECT_EQ(stats["tls_inspector.tls_found"], 0);
  EXPECT_EQ(stats["http_inspector.http11_found"], 1);
  EXPECT_EQ(stats["http_inspector.http2_found"], 1);
}

TEST_F(Stats, ARedirectIsToldWithThePathThatItSendsTo) {
  const std::string path = ::testing::TempDir() + "stats_test.redirect." + std::to_string(getpid()) + ".log";
  {
    Proxy proxy(
        loop_,
        bootstrap_of("              - {match: {prefix: /old}, redirect: {prefix_rewrite: /new}}\n"
                     "              - {match: {prefix: /}, redirect: {path_redirect: /there}}\n",
                     "", "          access_log: [" + log(path, "%REQ(:path)% %REQ(x-envoy-original-path)%") + "]\n"));
    get(loop_, proxy.port(), "/older?a=b");
    get(loop_, proxy.port(), "/else");
    net::run_to_end(loop_, until_lines(loop_, path, 2));
  }
  std::ifstream file(path);
  const std::string lines{std::istreambuf_iterator<char>(file), {}};
  unlink(path.c_str());
  EXPECT_EQ(lines, "/newer?a=b /older?a=b\n/else -\n");
}

TEST_F(Stats, TheAdminPageRefusesFormsThatItDoesNotHave) {
  Proxy proxy(loop_, with_admin(), backend_.port());
  EXPECT_EQ(get(loop_, proxy.port(), "/x").status, 200);
  auto asked = [&](const std::string& query) { return get(loop_, admin(proxy), "/stats" + query); };
  for (const char* query : {"?format=html", "?format=bad", "?type=bad", "?histogram_buckets=detailed",
                            "?histogram_buckets=bad", "/prometheus?histogram_buckets=disjoint", "?filter=*"})
    EXPECT_EQ(asked(query).status, 400) << query;
  const std::string named = "filter=http.main.downstream_rq_time";
  EXPECT_NE(asked("?histogram_buckets=cumulative&" + named).body.find("downstream_rq_time: B0.5(nan,"),
            std::string::npos);
  EXPECT_NE(asked("?format=json&histogram_buckets=cumulative&" + named)
                .body.find("{\"cumulative\":1,\"interval\":null,\"upper_bound\":3600000"),
            std::string::npos);
  EXPECT_NE(asked("/prometheus?histogram_buckets=summary&" + named).body.find(",quantile=\"0.99\"} "),
            std::string::npos);
  const std::string gauges = asked("?type=Gauges").body;
  EXPECT_NE(gauges.find("server.live: 1\n"), std::string::npos);
  EXPECT_EQ(gauges.find("downstream_rq_total"), std::string::npos);
}

TEST_F(Stats, AreThoseThatTheBootstrapAsksForUnderItsTags) {
  Proxy proxy(
      loop_,
      with_admin("stats_config: {use_all_default_tags: false, stats_matcher: {inclusion_list: {patterns: "
                 "[{prefix: cluster.backend}, {suffix: downstream_rq_total}]}}, stats_tags: "
                 "[{tag_name: cluster_name, regex: '^cluster\\.((.+?)\\.)'}, {tag_name: zone, fixed_value: a}]}\n"),
      backend_.port());
  EXPECT_EQ(get(loop_, proxy.port(), "/x").status, 200);
  const auto stats = counted(proxy);
  EXPECT_TRUE(stats.contains("cluster.backend.upstream_rq_total"));
  EXPECT_TRUE(stats.contains("http.main.downstream_rq_total"));
  EXPECT_FALSE(stats.contains("http.main.downstream_rq_2xx"));
  EXPECT_FALSE(stats.contains("server.live"));
  const std::string text = get(loop_, admin(proxy), "/stats/prometheus").body;
  EXPECT_NE(text.find("envoy_cluster_upstream_rq_total{cluster_name=\"backend\",zone=\"a\"} 1\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("envoy_http_main_downstream_rq_total{zone=\"a\"} 1\n"), std::string::npos) << text;
}

TEST_F(Stats, AMaskOfAConfigurationDumpThatFitsNothingIsRefused) {
  Proxy proxy(loop_, with_admin(), backend_.port());
  auto asked = [&](const std::string& query) { return get(loop_, admin(proxy), "/config_dump?" + query); };
  EXPECT_EQ(asked("mask=bad.x").status, 400);
  EXPECT_EQ(asked("mask=static_clusters.cluster").status, 400);
  EXPECT_EQ(asked("resource=static_clusters&mask=cluster.bad").status, 400);
  EXPECT_EQ(asked("resource=bootstrap").status, 400);
  EXPECT_EQ(asked("resource=nothing").status, 404);
  EXPECT_EQ(asked("resource=dynamic_listeners").body, "{}\n");
  const std::string masked = asked("resource=static_clusters&mask=cluster.name").body;
  EXPECT_NE(masked.find("\"name\": \"backend\""), std::string::npos) << masked;
  EXPECT_EQ(masked.find("connect_timeout"), std::string::npos) << masked;
  const std::string node = asked("mask=bootstrap.admin").body;
  EXPECT_NE(node.find("BootstrapConfigDump"), std::string::npos);
  EXPECT_EQ(node.find("static_resources"), std::string::npos);
}

TEST_F(Stats, AdminConnectionsOfThoseWhoNeverReadGiveWay) {
  Proxy proxy(loop_, with_admin(), backend_.port());
  std::vector<std::unique_ptr<Socket>> silent;
  for (int i = 0; i < 200; ++i) {
    silent.push_back(std::make_unique<Socket>(admin(proxy)));
    silent.back()->write("GET /stats HTTP/1.1\r\nhost: localhost\r\n\r\n");
    if (i % 25 == 24) {
      EXPECT_EQ(get(loop_, admin(proxy), "/ready").status, 200);
    }
  }
  silent.front()->read_all();
  EXPECT_TRUE(silent.front()->ended());  // the quietest
}

TEST_F(Stats, EndpointsThatFailTheirChecksSaySo) {
  std::string checks =
      "    health_checks: [{timeout: 1s, interval: 60s, no_traffic_interval: 60s, unhealthy_threshold: 1, "
      "healthy_threshold: 1, tcp_health_check: {}}]\n";
  Proxy proxy(loop_, bootstrap_of("              - {match: {prefix: /}, route: {cluster: dead}}\n",
                                  cluster_of("dead", "1", checks)));
  auto hosts = net::run_to_end(loop_, proxy.process().hosts());
  EXPECT_NE(clusters_text(proxy.process(), hosts).find("::health_flags::/failed_active_hc\n"), std::string::npos);
  auto json = clusters_json(proxy.process(), hosts);
  EXPECT_EQ(json["cluster_statuses"][0]["host_statuses"][0]["health_status"]["failed_active_health_check"], true);
  EXPECT_EQ(json["cluster_statuses"][0]["circuit_breakers"]["thresholds"][0]["max_retries"], 3);
  EXPECT_EQ(counted(proxy)["cluster.dead.membership_healthy"], 0);
}

}  // namespace
}  // namespace proxy
