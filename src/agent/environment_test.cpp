// SPDX-License-Identifier: Apache-2.0
#include "agent/environment.h"

#include <gtest/gtest.h>

#include "agent/certificates.h"

namespace agent {

static base::Result<Environment> read(std::map<std::string, std::string> variables) {
  return read_environment(
      Role::Sidecar,
      [&](const char* name) -> const char* {
        auto it = variables.find(name);
        return it == variables.end() ? nullptr : it->second.c_str();
      },
      "/nonexistent");
}

const std::map<std::string, std::string> kPod = {
    {"POD_NAME", "nginx"}, {"POD_NAMESPACE", "default"}, {"INSTANCE_IP", "10.10.0.5"}, {"SERVICE_ACCOUNT", "web"}};

TEST(Environment, BecomesTheNodeThatIstiodKnows) {
  auto environment = read(kPod);
  ASSERT_TRUE(environment) << environment.error().message;
  auto node = node_of(*environment);
  EXPECT_EQ(node.id(), "sidecar~10.10.0.5~nginx.default~default.svc.cluster.local");
  EXPECT_EQ(node.metadata().fields().at("NAMESPACE").string_value(), "default");
  EXPECT_EQ(node.metadata().fields().at("SERVICE_ACCOUNT").string_value(), "web");
  EXPECT_EQ(node.metadata().fields().at("CLUSTER_ID").string_value(), "Kubernetes");
  EXPECT_EQ(environment->uri(), "spiffe://cluster.local/ns/default/sa/web");
  EXPECT_EQ(environment->discovery_address, "istiod.istio-system.svc:15012");
}

TEST(Environment, NamesTheVariableThatIsMissing) {
  auto variables = kPod;
  variables.erase("INSTANCE_IP");
  auto environment = read(variables);
  ASSERT_FALSE(environment);
  EXPECT_NE(environment.error().message.find("INSTANCE_IP"), std::string::npos);
}

TEST(Environment, TakesTheDiscoveryAddressFromProxyConfig) {
  auto variables = kPod;
  variables["PROXY_CONFIG"] = "discoveryAddress: istiod-canary.mesh.svc:15012\nconcurrency: 3\n";
  auto environment = read(variables);
  ASSERT_TRUE(environment);
  EXPECT_EQ(environment->discovery_address, "istiod-canary.mesh.svc:15012");
  EXPECT_EQ(environment->concurrency, 3);
  variables["PROXY_CONFIG"] = "{";
  EXPECT_FALSE(read(variables));
}

TEST(Downward, ReadsQuotedValuesAndSkipsTheRest) {
  auto labels = parse_downward("app=\"web\"\nnote=\"a \\\"b\\\"\\n\"\nbroken\nunquoted=1\n");
  EXPECT_EQ(labels.size(), 2u);
  EXPECT_EQ(labels["app"], "web");
  EXPECT_EQ(labels["note"], "a \"b\"\n");
}

TEST(SplitAddress, WantsHostAndPort) {
  EXPECT_EQ(split_address("[::1]:15012")->first, "::1");
  EXPECT_EQ(split_address("istiod.istio-system.svc:15012")->second, 15012);
  EXPECT_FALSE(split_address("istiod"));
  EXPECT_FALSE(split_address(":15012"));
  EXPECT_FALSE(split_address("istiod:99999"));
}

}  // namespace agent
