// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/kinds/pod.h"

#include <gtest/gtest.h>

#include "localkube/api/kinds/document.h"

namespace localkube {
namespace {

PodSummary summary(std::string_view text) { return summary_of_pod(*base::parse_json(text)); }

TEST(PodSummary, CountsAStartedSidecarAsAContainer) {
  auto pod =
      summary(R"({"spec":{"initContainers":[{"name":"istio-init"},{"name":"istio-proxy","restartPolicy":"Always"}],
    "containers":[{"name":"app"}]},"status":{"phase":"Running",
    "initContainerStatuses":[{"name":"istio-init","state":{"terminated":{"exitCode":0}}},
      {"name":"istio-proxy","ready":true,"started":true,"restartCount":1,"state":{"running":{}}}],
    "containerStatuses":[{"name":"app","ready":true,"restartCount":2,"state":{"running":{}}}]}})");
  EXPECT_EQ(pod.ready, 2);
  EXPECT_EQ(pod.total, 2);
  EXPECT_EQ(pod.status, "Running");
  EXPECT_EQ(pod.restarts, "3");
}

TEST(PodSummary, SaysWhatAnInitContainerWaitsFor) {
  auto at = [](const char* state) {
    return summary(
               std::string(
                   R"({"spec":{"initContainers":[{"name":"i"}],"containers":[{"name":"c"}]},"status":{"phase":"Pending",
      "initContainerStatuses":[{"name":"i","state":)") +
               state + R"(}],
      "containerStatuses":[{"name":"c","state":{"waiting":{"reason":"PodInitializing"}}}]}})")
        .status;
  };
  EXPECT_EQ(at(R"({"running":{}})"), "Init:0/1");
  EXPECT_EQ(at(R"({"terminated":{"exitCode":1,"reason":"Error"}})"), "Init:Error");
  EXPECT_EQ(at(R"({"waiting":{"reason":"CrashLoopBackOff"}})"), "Init:CrashLoopBackOff");
  EXPECT_EQ(at(R"({"terminated":{"exitCode":0}})"), "PodInitializing");
}

TEST(PodSummary, SaysHowAPodEndedOrThatItIsGoing) {
  auto ended = [](const char* reason, const char* metadata) {
    return summary(std::string(R"({"metadata":)") + metadata +
                   R"(,"spec":{"containers":[{"name":"c"}]},"status":{"phase":"Running",
      "containerStatuses":[{"name":"c","state":{"terminated":{"exitCode":3,"reason":")" +
                   reason + R"("}}}]}})")
        .status;
  };
  EXPECT_EQ(ended("Error", "{}"), "Error");
  EXPECT_EQ(ended("", "{}"), "ExitCode:3");
  EXPECT_EQ(ended("Error", R"({"deletionTimestamp":"2026-01-01T00:00:00Z"})"), "Terminating");
}

TEST(Duration, HasTwoUnitsAtMost) {
  EXPECT_EQ(duration_text(5), "5s");
  EXPECT_EQ(duration_text(119), "119s");
  EXPECT_EQ(duration_text(125), "2m5s");
  EXPECT_EQ(duration_text(3600), "60m");
  EXPECT_EQ(duration_text(4 * 3600 + 60), "4h1m");
  EXPECT_EQ(duration_text(30 * 3600), "30h");
  EXPECT_EQ(duration_text(3 * 86400 + 3600), "3d1h");
}

}  // namespace
}  // namespace localkube
