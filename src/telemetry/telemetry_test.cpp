// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "telemetry/format.h"
#include "telemetry/metrics.h"

namespace telemetry {
namespace {

Record sample() {
  Record record;
  record.method = "GET";
  record.protocol = Protocol::Http11;
  record.status = 503;
  record.set(Flag::UpstreamConnectionFailure);
  record.set(Flag::UpstreamRetryLimitExceeded);
  record.downstream_remote = "[::1]:4711";
  record.path = "/p?x=1&y";
  record.details = "a b";
  std::chrono::steady_clock::time_point began(std::chrono::seconds(1));
  record.mark(Point::DownstreamRxBegin, began);
  record.mark(Point::UpstreamRxBegin, began + std::chrono::microseconds(1500));
  record.find = [](const void*, Message, std::string_view name) -> std::optional<std::string_view> {
    if (name == ":path") return "/now";
    if (name == "user-agent") return "curl/8.0";
    return std::nullopt;
  };
  return record;
}

std::string rendered(std::string_view format) {
  auto parsed = Format::parse(format);
  if (!parsed) return "refused: " + parsed.error().message;
  std::string out;
  parsed->append(sample(), out);
  return out;
}

TEST(Format, OperatorsAreReplacedByWhatTheRecordSays) {
  EXPECT_EQ(rendered("%REQUEST_METHOD% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS%"),
            "GET /now HTTP/1.1 503 URX,UF");
  EXPECT_EQ(rendered("%REQ(USER-AGENT):4% 100%% %REQ(NONE)%"), "curl 100% -");
  EXPECT_EQ(rendered("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_REMOTE_PORT%"), "::1 4711");
}

TEST(Format, AnUnknownOperatorIsRefused) {
  EXPECT_TRUE(rendered("%NO_SUCH_THING%").starts_with("refused"));
  EXPECT_TRUE(rendered("%REQ(X").starts_with("refused"));
  EXPECT_TRUE(rendered("50%").starts_with("refused"));
}

TEST(Format, JsonKeepsNumbersAndMarksWhatIsMissing) {
  auto line = LineFormat::json(
      {{"code", "%RESPONSE_CODE%"}, {"host", "%UPSTREAM_HOST%"}, {"deep", {{"agent", "%REQ(USER-AGENT)%"}}}});
  ASSERT_TRUE(line);
  std::string out;
  line->append(sample(), out);
  EXPECT_EQ(out, "{\"code\":503,\"deep\":{\"agent\":\"curl/8.0\"},\"host\":null}\n");
}

TEST(Format, TimesDurationsAndPathsHaveTheirVariants) {
  EXPECT_EQ(rendered("%START_TIME(%s.%3f)%"), "0.000");
  EXPECT_EQ(rendered("%START_TIME(%Y-%m-%d)%"), "1970-01-01");
  EXPECT_EQ(rendered("%START_TIME(%E4Y %H:%M:%E3S%Ez %E*S %E2f)%"), "1970 00:00:00.000+00:00 00 00");
  EXPECT_EQ(rendered("%COMMON_DURATION(DS_RX_BEG:US_RX_BEG:us)% %RESPONSE_DURATION% %REQUEST_TX_DURATION%"),
            "1500 1 -");
  EXPECT_EQ(rendered("%RESPONSE_FLAGS_LONG% %RESPONSE_CODE_DETAILS%"),
            "UpstreamRetryLimitExceeded,UpstreamConnectionFailure a_b");
  EXPECT_EQ(rendered("%PATH(NQ)% %QUERY_PARAM(x)% %GRPC_STATUS%"), "/now 1 -");
  Record record = sample();
  record.find = nullptr;
  record.path = "/a?q=%41%20%zz";
  auto shown = [&](std::string_view format) {
    std::string out;
    Format::parse(format)->append(record, out);
    return out;
  };
  EXPECT_EQ(shown("%PATH% %PATH(NQ)% %PATH(WQ):3%"), "/a?q=%41%20%zz /a /a?");
  EXPECT_EQ(shown("%QUERY_PARAMS% %QUERY_PARAMS(DECODED)%"), "q=%41%20%zz q=A%20%zz");
  EXPECT_TRUE(rendered("%QUERY_PARAMS(x)%").starts_with("refused"));
}

TEST(Format, WhatIsNotKnownHereIsRefusedByName) {
  EXPECT_EQ(rendered("%FILTER_STATE(x)%"),
            "refused: format operator %FILTER_STATE(x)%: filter state is not known here");
  EXPECT_TRUE(rendered("%COMMON_DURATION(A:B:ms)%").starts_with("refused"));
  EXPECT_TRUE(rendered("%METADATA(LISTENER:x)%").starts_with("refused"));
}

// Dotted and Prometheus names as a real Envoy 1.40 prints them.
TEST(Stats, HaveEnvoysNames) {
  auto shows = [](const StatName& name, const char* dotted, const char* prometheus) {
    EXPECT_EQ(name.dotted, dotted);
    std::string text = name.prometheus;
    for (const auto& [key, value] : name.labels) text += " " + key + "=" + value;
    EXPECT_EQ(text, prometheus);
  };
  shows(StatName("cluster.{envoy_cluster_name}.upstream_rq_{envoy_response_code_class}xx", {"a|b", "2"}),
        "cluster.a|b.upstream_rq_2xx",
        "envoy_cluster_upstream_rq_xx envoy_cluster_name=a|b envoy_response_code_class=2");
  shows(StatName("cluster.{envoy_cluster_name}.upstream_rq_{envoy_response_code}", {"c", "404"}),
        "cluster.c.upstream_rq_404", "envoy_cluster_upstream_rq envoy_cluster_name=c envoy_response_code=404");
  shows(StatName("cluster.{envoy_cluster_name}.circuit_breakers.default.cx_open", {"c"}),
        "cluster.c.circuit_breakers.default.cx_open",
        "envoy_cluster_circuit_breakers_default_cx_open envoy_cluster_name=c");
  shows(StatName("{envoy_local_http_ratelimit_prefix}.http_local_rate_limit.ok", {"hlr"}),
        "hlr.http_local_rate_limit.ok", "envoy_http_local_rate_limit_ok envoy_local_http_ratelimit_prefix=hlr");
  shows(StatName("listener.{envoy_listener_address}.worker_{envoy_worker_id}.downstream_cx_total", {"0.0.0.0_80", "0"}),
        "listener.0.0.0.0_80.worker_0.downstream_cx_total",
        "envoy_listener_worker_downstream_cx_total envoy_listener_address=0.0.0.0_80 envoy_worker_id=0");
  shows(StatName("listener.{envoy_listener_address}.ssl.versions.{envoy_ssl_version}", {"l", "TLSv1.3"}),
        "listener.l.ssl.versions.TLSv1.3",
        "envoy_listener_ssl_versions envoy_listener_address=l envoy_ssl_version=TLSv1.3");
  shows(StatName("cluster_manager.cds.update_success"), "cluster_manager.cds.update_success",
        "envoy_cluster_manager_cds_update_success");
  shows(StatName("overload.envoy.resource_monitors.fixed_heap.pressure"),
        "overload.envoy.resource_monitors.fixed_heap.pressure",
        "envoy_overload_envoy_resource_monitors_fixed_heap_pressure");
}

TEST(Format, OnlyAFormatsOwnLineBreaksBreakALine) {
  auto line = LineFormat::text("one\n  two %LOCAL_REPLY_BODY%\n");
  ASSERT_TRUE(line);
  Record record;
  record.local_reply_body = "a\nb";
  std::string out;
  line->append_line(record, out);
  EXPECT_EQ(out, "one\n  two a b\n");
}

TEST(Flags, AreReadAsTheyAreWritten) {
  EXPECT_EQ(flags_text(0), "-");
  for (const char* word : {"UH", "UF", "NR", "NC", "UC", "UAEX"}) EXPECT_EQ(flags_text(flag_of(word)), word);
  EXPECT_EQ(flag_of("XX"), 0u);
}

TEST(Scrape, TheSameSeriesOfTwoWorkersAddUp) {
  Scrape one, two;
  one.counter("requests_total", {{"code", "200"}}, 2);
  two.counter("requests_total", {{"code", "200"}}, 3);
  two.counter("requests_total", {{"code", "503"}, {"why", "a\"b\n"}}, 1);
  one.add(two);
  EXPECT_EQ(one.prometheus(),
            "# TYPE requests_total counter\n"
            "requests_total{code=\"200\"} 5\n"
            "requests_total{code=\"503\",why=\"a\\\"b\\n\"} 1\n");
}

TEST(Scrape, AHistogramsBucketsAreCumulative) {
  Histogram histogram;
  for (double value : {0.4, 0.9, 7.0, 1e9}) histogram.observe(value);
  Scrape scrape;
  scrape.histogram("ms", {}, histogram);
  std::string text = scrape.prometheus();
  EXPECT_NE(text.find("ms_bucket{le=\"0.5\"} 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("ms_bucket{le=\"10\"} 3\n"), std::string::npos);
  EXPECT_NE(text.find("ms_bucket{le=\"+Inf\"} 4\n"), std::string::npos);
  EXPECT_NE(text.find("ms_count 4\n"), std::string::npos);
}

}  // namespace
}  // namespace telemetry
