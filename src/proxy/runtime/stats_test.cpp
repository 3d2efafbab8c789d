// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>
#include <fstream>
#include <set>
#include <sstream>

#include "proxy/admin/dump.h"
#include "proxy/runtime/harness.h"

// What is counted and logged, under the names that Envoy 1.40 uses.
namespace proxy {
namespace {

using namespace proxy::testing;

class Stats : public ::testing::Test {
 protected:
  static std::map<std::string, double> counted(const Proxy& proxy) {
    std::map<std::string, double> out;
    for (const auto& stat : const_cast<Proxy&>(proxy).process().scrape().stats()) out[stat.name] = stat.value;
    return out;
  }
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
      {"server.live", 1},
      {"server.state", 0},
  };
  for (const auto& [name, value] : expected) {
    auto it = stats.find(name);
    ASSERT_NE(it, stats.end()) << name;
    EXPECT_EQ(it->second, value) << name;
  }
  for (const char* name : {"server.uptime", "server.memory_allocated", "server.memory_heap_size",
                           "server.total_connections", "cluster.backend.upstream_cx_rx_bytes_total",
                           "http.main.downstream_cx_rx_bytes_total", "http.main.downstream_cx_length_ms"})
    EXPECT_TRUE(stats.contains(name)) << name;
  // ThreadSanitizer's allocator tells mallinfo2 nothing.
  if (mallinfo2().uordblks > 0) {
    EXPECT_GT(stats["server.memory_allocated"], 0);
  }
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
    EXPECT_EQ(get(loop_, proxy.port(), "/redirect//landed").status, 200);
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
