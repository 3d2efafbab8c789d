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

std::string faults(const std::string& spec) {
  Problems problems;
  validate_pod_spec(*base::parse_json(spec), "spec", problems);
  std::string out;
  for (const auto& cause : problems.causes()) out += cause.field + ";";
  return out;
}

TEST(PodSpec, NamesThatBecomePathsAreLabels) {
  EXPECT_EQ(faults(R"({"containers":[{"name":"a","image":"i"}],"volumes":[{"name":"v","emptyDir":{}}]})"), "");
  EXPECT_EQ(faults(R"({"containers":[{"name":"../a","image":"i"}]})"), "spec.containers[0].name;");
  EXPECT_EQ(faults(R"({"containers":[{"name":"a","image":"i"}],"initContainers":[{"name":"a/b","image":"i"}]})"),
            "spec.initContainers[0].name;");
  EXPECT_EQ(faults(R"({"containers":[{"name":"a","image":"i"}],"volumes":[{"name":"../../pki","emptyDir":{}}]})"),
            "spec.volumes[0].name;");
}

TEST(PodSpec, FilesOfAVolumeStayInItAndOutOfItsOwnNames) {
  auto with = [](const std::string& source) {
    return faults(R"({"containers":[{"name":"a","image":"i"}],"volumes":[{"name":"v",)" + source + "}]}");
  };
  EXPECT_EQ(with(R"("configMap":{"name":"c","items":[{"key":"k","path":"a/..b"},{"key":"k","path":"..data/x"}]})"),
            "spec.volumes[0].configMap.items[1].path;");
  EXPECT_EQ(with(R"("secret":{"secretName":"c","items":[{"key":"k","path":"a/../b"}]})"),
            "spec.volumes[0].secret.items[0].path;");
  EXPECT_EQ(with(R"("projected":{"sources":[{"downwardAPI":{"items":[{"path":"/x"}]}}]})"),
            "spec.volumes[0].projected.sources[0].downwardAPI.items[0].path;");
}

TEST(PodSpec, UsersThatWouldWrapToRootAreRefused) {
  EXPECT_EQ(faults(R"({"containers":[{"name":"a","image":"i","securityContext":{"runAsUser":4294967296}}]})"),
            "spec.containers[0].securityContext.runAsUser;");
  EXPECT_EQ(faults(R"({"securityContext":{"runAsGroup":-5},"containers":[{"name":"a","image":"i"}]})"),
            "spec.securityContext.runAsGroup;");
}

TEST(PodSpec, WhatIsNotGivenIsRefusedByName) {
  EXPECT_EQ(
      faults(R"({"hostNetwork":true,"containers":[{"name":"a","image":"i","securityContext":{"privileged":true}}]})"),
      "spec.containers[0].securityContext.privileged;spec.hostNetwork;");
}

TEST(PodSpec, ProbesHaveOneHandlerAndSaneNumbers) {
  EXPECT_EQ(
      faults(
          R"({"containers":[{"name":"a","image":"i","livenessProbe":{"tcpSocket":{"port":99999},"periodSeconds":-1}}]})"),
      "spec.containers[0].livenessProbe.tcpSocket.port;spec.containers[0].livenessProbe.periodSeconds;");
  EXPECT_EQ(faults(R"({"containers":[{"name":"a","image":"i","readinessProbe":{}}]})"),
            "spec.containers[0].readinessProbe;");
}

TEST(PodSpec, NothingCanBeWrittenIntoHostsOrResolvConf) {
  EXPECT_EQ(
      faults(
          R"({"hostAliases":[{"ip":"1.2.3.4\nx","hostnames":["a b"]}],"dnsConfig":{"searches":["a\nb"]},"containers":[{"name":"a","image":"i"}]})"),
      "spec.hostAliases.ip;spec.hostAliases.hostnames;spec.dnsConfig.searches;");
}

}  // namespace
}  // namespace localkube
