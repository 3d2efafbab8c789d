// SPDX-License-Identifier: Apache-2.0
#include "cli/install/settings.h"

#include <gtest/gtest.h>

#include "mesh/mesh_config.h"

namespace cli {

static std::string complaint(const std::string& assignment) {
  Choices choices;
  auto result = set(choices, assignment);
  return result ? "" : result.error().message;
}

TEST(InstallSettings, NameTheWrongKeyAndTheOneThatWasMeant) {
  EXPECT_EQ(complaint("profil=demo"), "--set profil=demo: there is no setting \"profil\"; did you mean \"profile\"?");
  EXPECT_NE(complaint("accessLogFile=x").find("did you mean \"meshConfig.accessLogFile\"?"), std::string::npos);
  std::string idle = complaint("values.pilot.autoscaleMin=3");
  EXPECT_NE(idle.find("\"values.pilot.autoscaleMin\", or it does not act yet"), std::string::npos) << idle;
}

TEST(InstallSettings, RefuseValuesThatFitNoSetting) {
  EXPECT_EQ(complaint("profile=remote"),
            "--set profile=remote: profile: \"remote\" is not one of default, demo, minimal, empty");
  EXPECT_NE(complaint("meshConfig.accessLogEncoding=XML"), "");
  EXPECT_NE(complaint("meshConfig.accessLogFormat=%NOT_AN_OPERATOR%"), "");
  EXPECT_NE(complaint("meshConfig.enableAutoMtls=maybe"), "");
  EXPECT_NE(complaint("components.ingressGateways[0].name=mine"), "");
  EXPECT_NE(complaint("profile"), "");
}

TEST(InstallSettings, TakeGatewaysByAnyIndex) {
  Choices choices;
  ASSERT_TRUE(set(choices, "components.egressGateways[0].name=istio-egressgateway"));
  ASSERT_TRUE(set(choices, "components.egressGateways[name:istio-egressgateway].enabled=true"));
  ASSERT_TRUE(set(choices, "components.ingressGateways[0].enabled=false"));
  InstallSettings settings = settings_of(choices);
  EXPECT_TRUE(settings.egress_gateway);
  EXPECT_FALSE(settings.ingress_gateway);
}

TEST(InstallSettings, StandInAnIstioOperatorToo) {
  Choices choices;
  auto added = add_operator(choices, "demo.yaml", R"yaml(
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: any}
spec:
  profile: minimal
  meshConfig:
    accessLogFile: /dev/stdout
    trustDomainAliases: [one, two]
    defaultConfig: {proxyMetadata: {ISTIO_META_DNS_CAPTURE: "true"}}
  components:
    egressGateways: [{name: istio-egressgateway, enabled: true}]
)yaml");
  ASSERT_TRUE(added) << added.error().message;
  ASSERT_TRUE(set(choices, "meshConfig.accessLogFile="));
  InstallSettings settings = settings_of(choices);
  EXPECT_TRUE(settings.egress_gateway);
  EXPECT_FALSE(settings.ingress_gateway);
  EXPECT_EQ(settings.mesh, base::Json::parse(R"({"accessLogFile": "", "trustDomainAliases": ["one", "two"],
                                                 "defaultConfig": {"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true"}}})"));
}

TEST(InstallSettings, SayWhichFileIsWrongAndWhy) {
  auto fault = [](std::string_view text) {
    Choices choices;
    auto added = add_operator(choices, "f.yaml", text);
    return added ? "" : added.error().message;
  };
  EXPECT_EQ(fault("{apiVersion: v1, kind: Pod}"),
            "f.yaml: it is a Pod; an IstioOperator of apiVersion install.istio.io/v1alpha1 was expected");
  EXPECT_NE(fault("").find("f.yaml: there is nothing in it"), std::string::npos);
  EXPECT_NE(fault("{apiVersion: install.istio.io/v1alpha1, kind: IstioOperator, spec: {profil: demo}}")
                .find("f.yaml: spec: there is no setting \"profil\"; did you mean \"profile\"?"),
            std::string::npos);
}

TEST(InstallSettings, AreRememberedAsTheyWereChosen) {
  Choices choices;
  ASSERT_TRUE(set(choices, "profile=demo"));
  ASSERT_TRUE(set(choices, "meshConfig.accessLogFile=/dev/stderr"));
  ASSERT_TRUE(set(choices, "components.egressGateways[0].enabled=false"));
  auto again = remembered(settings_of(choices).chosen.dump());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again, choices);
  EXPECT_FALSE(remembered(R"({"profile": "none such"})"));
  EXPECT_FALSE(remembered("[]"));
}

}  // namespace cli
