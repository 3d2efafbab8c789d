// SPDX-License-Identifier: Apache-2.0
#include "cli/install/manifest.h"

#include <gtest/gtest.h>

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
  ASSERT_TRUE(set(settings, "hub=registry.example/mesh"));
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

TEST(Manifest, RefusesASettingThatWouldNotAct) {
  InstallSettings settings;
  auto refused = set(settings, "values.pilot.autoscaleMin=3");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("values.pilot.autoscaleMin"), std::string::npos);
  EXPECT_FALSE(set(settings, "profile=remote"));
}

}  // namespace cli
