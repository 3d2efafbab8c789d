// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "scenario.h"

namespace scenario {
namespace {

TEST(Analyze, TellsOfEveryStoredObjectThatDoesNotAct) {
  Mesh mesh = Mesh::helloworld(R"yaml(
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: lock, namespace: istio-system}
spec: {configPatches: []}
---
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: plugin, namespace: default}
spec: {url: "file:///etc/passwd"}
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: tracing, namespace: default}
spec: {tracing: [{randomSamplingPercentage: 10}]}
)yaml");
  std::vector<std::string> idle;
  for (const config::Finding& finding : mesh.findings())
    if (finding.code == "SN0199") idle.push_back(finding.object.kind + ": " + finding.message);
  EXPECT_THAT(idle, testing::UnorderedElementsAre(testing::StartsWith("EnvoyFilter: EnvoyFilter is stored"),
                                                  testing::StartsWith("WasmPlugin: WasmPlugin is stored"),
                                                  testing::StartsWith("Telemetry: tracing is stored")));
}

TEST(Analyze, TellsOfNamespacesThatNobodyDecidedFor) {
  Mesh mesh = Mesh::of(R"yaml(
{apiVersion: v1, kind: Namespace, metadata: {name: forgotten}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: within, labels: {istio-injection: enabled}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: without, labels: {istio-injection: disabled}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: kube-system}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: istio-system}}
)yaml");
  std::vector<std::string> told;
  for (const config::Finding& finding : mesh.findings()) told.push_back(config::text(finding));
  ASSERT_EQ(told.size(), 1u);
  EXPECT_THAT(told[0], testing::StartsWith("info[SN0240, IST0102] Namespace forgotten, metadata.labels"));
}

}  // namespace
}  // namespace scenario
