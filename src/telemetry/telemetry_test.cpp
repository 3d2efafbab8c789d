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
            "GET /now HTTP/1.1 503 UF,URX");
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
