// SPDX-License-Identifier: Apache-2.0
#include "inject/inject.h"

#include <gmock/gmock.h>

namespace inject {
namespace {

using testing::HasSubstr;

Json yaml(std::string_view text) { return base::parse_yaml(text).value().at(0); }

Json helloworld() {
  return yaml(R"yaml(
    metadata:
      generateName: helloworld-v1-867747c89-
      labels: {app: helloworld, version: v1, pod-template-hash: 867747c89}
      ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: helloworld-v1-867747c89, controller: true}]
    spec:
      containers:
      - name: helloworld
        image: docker.io/istio/examples-helloworld-v1
        ports: [{containerPort: 5000, name: web}]
        readinessProbe: {httpGet: {path: /health, port: web}, timeoutSeconds: 2}
        livenessProbe: {exec: {command: [cat, /tmp/x]}}
        startupProbe: {tcpSocket: {port: 5000}}
  )yaml");
}

Json injected(Json pod, const Settings& settings = {}) {
  Owner owner = owner_of(pod);
  return into_pod(std::move(pod), "default", owner, settings).value();
}

Json container(const Json& pod, const char* list, std::string_view name) {
  for (const Json& one : pod["spec"][list])
    if (one["name"] == name) return one;
  return nullptr;
}

std::string variable(const Json& container, std::string_view name) {
  for (const Json& one : container["env"])
    if (one["name"] == name) return one.value("value", "");
  return "absent";
}

TEST(Inject, APodGetsANativeSidecarAndItsCapture) {
  Json pod = injected(helloworld());

  ASSERT_EQ(pod["spec"]["initContainers"].size(), 2u);
  EXPECT_EQ(pod["spec"]["initContainers"][0]["name"], "istio-init");
  Json proxy = pod["spec"]["initContainers"][1];
  EXPECT_EQ(proxy["name"], "istio-proxy");
  EXPECT_EQ(proxy["restartPolicy"], "Always");
  EXPECT_EQ(proxy["args"], Json({"sidecar"}));
  EXPECT_EQ(variable(proxy, "ISTIO_META_WORKLOAD_NAME"), "helloworld-v1");
  EXPECT_EQ(variable(proxy, "ISTIO_META_OWNER"),
            "kubernetes://apis/apps/v1/namespaces/default/deployments/helloworld-v1");
  EXPECT_EQ(variable(proxy, "ISTIO_META_APP_CONTAINERS"), "helloworld");
  EXPECT_EQ(pod["spec"]["containers"].size(), 1u);
  const Json& metadata = pod["metadata"];
  EXPECT_EQ(metadata["labels"]["security.istio.io/tlsMode"], "istio");
  EXPECT_EQ(metadata["labels"]["service.istio.io/canonical-name"], "helloworld");
  EXPECT_EQ(metadata["labels"]["service.istio.io/canonical-revision"], "v1");
  EXPECT_EQ(metadata["annotations"]["kubectl.kubernetes.io/default-container"], "helloworld");
  EXPECT_EQ(metadata["annotations"]["prometheus.io/port"], "15020");
  Json status = Json::parse(metadata["annotations"]["sidecar.istio.io/status"].get<std::string>());
  EXPECT_EQ(status["initContainers"], Json({"istio-init", "istio-proxy"}));
  EXPECT_EQ(status["volumes"], Json({"istio-podinfo", "istio-token", "istiod-ca-cert"}));
}

TEST(Inject, ProbesGoThroughTheSidecarAndCommandsStay) {
  Json pod = injected(helloworld());
  Json app = container(pod, "containers", "helloworld");
  EXPECT_EQ(app["readinessProbe"]["httpGet"], Json({{"path", "/app-health/helloworld/readyz"}, {"port", 15020}}));
  EXPECT_EQ(app["startupProbe"]["httpGet"]["path"], "/app-health/helloworld/startupz");
  EXPECT_FALSE(app["startupProbe"].contains("tcpSocket"));
  EXPECT_TRUE(app["livenessProbe"].contains("exec"));
  Json probes = Json::parse(variable(container(pod, "initContainers", "istio-proxy"), "ISTIO_KUBE_APP_PROBERS"));
  EXPECT_EQ(probes, yaml("{/app-health/helloworld/readyz: {httpGet: {path: /health, port: 5000}, timeoutSeconds: 2},"
                         " /app-health/helloworld/startupz: {tcpSocket: {port: 5000}}}"));

  Json left = helloworld();
  left["metadata"]["annotations"] = {{"sidecar.istio.io/rewriteAppHTTPProbers", "false"}};
  EXPECT_EQ(container(injected(left), "containers", "helloworld")["readinessProbe"]["httpGet"]["port"], "web");
}

TEST(Inject, AnnotationsChangeCaptureResourcesAndConfiguration) {
  Json pod = helloworld();
  pod["metadata"]["annotations"] = {{"traffic.sidecar.istio.io/excludeOutboundPorts", "3306, 5432"},
                                    {"traffic.sidecar.istio.io/includeOutboundIPRanges", "10.0.0.0/8"},
                                    {"traffic.sidecar.istio.io/excludeInboundPorts", "9000"},
                                    {"sidecar.istio.io/proxyCPU", "10m"},
                                    {"proxy.istio.io/config", "terminationDrainDuration: 30s\nproxyMetadata: {A: b}"}};
  Json out = injected(pod, {.proxy_config = {{"discoveryAddress", "istiod.other.svc:15012"}}});
  std::string args = container(out, "initContainers", "istio-init")["args"].dump();
  EXPECT_THAT(args, HasSubstr(R"("--exclude-outbound-ports","3306,5432")"));
  EXPECT_THAT(args, HasSubstr(R"("--include-outbound-cidrs","10.0.0.0/8")"));
  EXPECT_THAT(args, HasSubstr(R"("--exclude-inbound-ports","15090,15021,15020,9000")"));
  Json proxy = container(out, "initContainers", "istio-proxy");
  EXPECT_EQ(proxy["resources"], yaml("{requests: {cpu: 10m}}"));
  EXPECT_EQ(variable(proxy, "CA_ADDR"), "istiod.other.svc:15012");
  EXPECT_EQ(variable(proxy, "A"), "b");
  EXPECT_THAT(variable(proxy, "PROXY_CONFIG"), HasSubstr("terminationDrainDuration"));
}

TEST(Inject, AnAnnotationWithoutSenseIsRefusedByName) {
  for (auto [key, value] : std::initializer_list<std::pair<const char*, const char*>>{
           {"traffic.sidecar.istio.io/excludeInboundPorts", "http"},
           {"traffic.sidecar.istio.io/includeOutboundIPRanges", "everything"},
           {"proxy.istio.io/config", "[a"},
           {"sidecar.istio.io/interceptionMode", "TPROXY"},
           {"inject.istio.io/templates", "grpc-agent"}}) {
    Json pod = helloworld();
    pod["metadata"]["annotations"] = {{key, value}};
    auto out = into_pod(pod, "default", owner_of(pod), {});
    ASSERT_FALSE(out) << key;
    EXPECT_THAT(out.error().message, HasSubstr(key));
  }
}

TEST(Inject, WithoutNativeSidecarsTheProxyStandsBesideTheApplication) {
  Json pod = helloworld();
  pod["spec"]["initContainers"] = yaml("[{name: migrate, image: m}]");
  Json out = injected(pod, {.native_sidecars = false});
  EXPECT_EQ(out["spec"]["containers"][1]["name"], "istio-proxy");
  EXPECT_FALSE(out["spec"]["containers"][1].contains("restartPolicy"));
  EXPECT_EQ(out["spec"]["initContainers"][0]["name"], "migrate");
  EXPECT_EQ(out["spec"]["initContainers"][1]["name"], "istio-init");
}

TEST(Inject, AGatewayPodIsFilledInAroundWhatTheUserWrote) {
  Json out = injected(yaml(R"yaml(
    metadata: {name: edge, annotations: {inject.istio.io/templates: gateway}, labels: {istio: edge}}
    spec:
      containers:
      - {name: istio-proxy, image: auto, ports: [{containerPort: 8080}], env: [{name: TRUST_DOMAIN, value: mine}]}
  )yaml"));
  EXPECT_FALSE(out["spec"].contains("initContainers"));
  Json proxy = container(out, "containers", "istio-proxy");
  EXPECT_EQ(proxy["image"], Settings().proxy_image);
  EXPECT_EQ(proxy["args"], Json({"router"}));
  EXPECT_EQ(proxy["ports"].size(), 2u);
  EXPECT_EQ(variable(proxy, "TRUST_DOMAIN"), "mine");
  EXPECT_FALSE(out["metadata"]["labels"].contains("security.istio.io/tlsMode"));
}

TEST(Inject, ThePatchMakesTheInjectedPodOfTheOriginal) {
  Json before = helloworld(), after = injected(before);
  EXPECT_EQ(before.patch(patch_between(before, after)), after);
}

TEST(Decide, LabelsBeatAnnotationsAndNamespaces) {
  objects::Labels enabled = {{"istio-injection", "enabled"}}, disabled = {{"istio-injection", "disabled"}}, none;
  auto with = [](const char* where, const char* value) {
    Json pod = helloworld();
    pod["metadata"][where]["sidecar.istio.io/inject"] = value;
    return pod;
  };
  Settings settings;
  EXPECT_TRUE(decide(helloworld(), "default", settings, &enabled).inject);
  EXPECT_FALSE(decide(helloworld(), "default", settings, &disabled).inject);
  EXPECT_FALSE(decide(helloworld(), "default", settings, &none).inject);
  EXPECT_FALSE(decide(with("annotations", "false"), "default", settings, &enabled).inject);
  EXPECT_FALSE(decide(with("labels", "false"), "default", settings, &enabled).inject);
  EXPECT_TRUE(decide(with("labels", "true"), "default", settings, &none).inject);
  EXPECT_FALSE(decide(with("labels", "true"), "default", settings, &disabled).inject);
  Json both = with("labels", "true");
  both["metadata"]["annotations"]["sidecar.istio.io/inject"] = "false";
  EXPECT_TRUE(decide(both, "default", settings, nullptr).inject);
  EXPECT_FALSE(decide(helloworld(), "kube-system", settings, &enabled).inject);
  Json host = helloworld();
  host["spec"]["hostNetwork"] = true;
  EXPECT_FALSE(decide(host, "default", settings, &enabled).inject);
  EXPECT_FALSE(decide(injected(helloworld()), "default", settings, &enabled).inject);
  objects::Labels revision = {{"istio.io/rev", "default"}}, other = {{"istio.io/rev", "canary"}};
  EXPECT_TRUE(decide(helloworld(), "default", settings, &revision).inject);
  EXPECT_FALSE(decide(helloworld(), "default", settings, &other).inject);
}

TEST(Manifest, TemplatesAreInjectedAndEverythingElseStays) {
  Json list = yaml(R"yaml(
    kind: List
    items:
    - {kind: Service, metadata: {name: a}}
    - kind: Deployment
      apiVersion: apps/v1
      metadata: {name: a, namespace: shop}
      spec: {template: {metadata: {labels: {app: a}}, spec: {containers: [{name: a, image: a}]}}}
  )yaml");
  Json out = into_manifest(list, {}).value();
  EXPECT_EQ(out["items"][0], list["items"][0]);
  Json pod = out["items"][1]["spec"]["template"];
  EXPECT_EQ(variable(container(pod, "initContainers", "istio-proxy"), "ISTIO_META_OWNER"),
            "kubernetes://apis/apps/v1/namespaces/shop/deployments/a");
}

}  // namespace
}  // namespace inject
