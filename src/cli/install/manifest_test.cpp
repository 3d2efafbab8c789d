// SPDX-License-Identifier: Apache-2.0
#include "cli/install/manifest.h"

#include <gtest/gtest.h>

#include "mesh/mesh_config.h"

namespace cli {

static const objects::Object* find(const std::vector<Component>& components, std::string_view kind,
                                   std::string_view name) {
  for (const Component& component : components)
    for (const objects::Object& object : component.objects)
      if (object.kind_name() == kind && object.name() == name) return &object;
  return nullptr;
}

TEST(Manifest, HoldsWhatTheDefaultProfilePromises) {
  auto components = manifest({});
  ASSERT_TRUE(components) << components.error().message;
  ASSERT_EQ(components->size(), 3u);
  EXPECT_NE(find(*components, "CustomResourceDefinition", "virtualservices.networking.istio.io"), nullptr);
  EXPECT_NE(find(*components, "PodDisruptionBudget", "istiod"), nullptr);
  for (const char* name : {"istio-sidecar-injector", "istio-revision-tag-default"}) {
    const objects::Object* webhooks = find(*components, "MutatingWebhookConfiguration", name);
    ASSERT_NE(webhooks, nullptr);
    EXPECT_EQ(webhooks->json()["webhooks"].size(), 4u);
  }
  const objects::Object* validator = find(*components, "ValidatingWebhookConfiguration", "istiod-default-validator");
  ASSERT_NE(validator, nullptr);
  EXPECT_EQ(validator->json()["webhooks"][0]["name"], "validation.istio.io");
}

TEST(Manifest, FillsEveryPlaceholder) {
  InstallSettings settings;
  settings.hub = "registry.example/mesh";
  settings.egress_gateway = true;
  settings.ns = "mesh";
  auto components = manifest(settings);
  ASSERT_TRUE(components);
  const objects::Object* istiod = find(*components, "Deployment", "istiod");
  ASSERT_NE(istiod, nullptr);
  EXPECT_EQ(istiod->ns(), "mesh");
  EXPECT_EQ(istiod->json()["spec"]["template"]["spec"]["containers"][0]["image"],
            "registry.example/mesh/pilot:" SEINE_VERSION);
  for (const Component& component : *components)
    for (const objects::Object& object : component.objects)
      EXPECT_EQ(object.json().dump().find("${"), std::string::npos) << object.ref().text();
}

TEST(Manifest, OfTheDemoHasAnEgressGatewayAndItsMeshLogsAccess) {
  Choices choices;
  ASSERT_TRUE(set(choices, "profile=demo"));
  ASSERT_TRUE(set(choices, "meshConfig.accessLogEncoding=JSON"));
  auto components = manifest(settings_of(choices));
  ASSERT_TRUE(components) << components.error().message;
  const objects::Object* egress = find(*components, "Service", "istio-egressgateway");
  ASSERT_NE(egress, nullptr);
  EXPECT_EQ(egress->json()["spec"]["type"], "ClusterIP");
  EXPECT_EQ(egress->json()["spec"]["ports"][0]["port"], 80);
  ASSERT_NE(find(*components, "Deployment", "istio-ingressgateway"), nullptr);
  const objects::Object* mesh = find(*components, "ConfigMap", "istio");
  ASSERT_NE(mesh, nullptr);
  mesh::MeshConfig config = mesh::mesh_config_of(mesh);
  EXPECT_EQ(config.access_log_file, "/dev/stdout");
  EXPECT_TRUE(config.access_log_json);
  EXPECT_TRUE(left_out(settings_of(choices))->empty());
}

TEST(Manifest, LeavesOutTheGatewaysThatAreNotChosen) {
  auto spare = left_out({});
  ASSERT_TRUE(spare);
  for (const objects::Object& object : *spare) EXPECT_NE(object.name().find("egress"), std::string_view::npos);
  EXPECT_FALSE(spare->empty());
}

}  // namespace cli
