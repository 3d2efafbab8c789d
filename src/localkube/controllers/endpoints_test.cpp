// SPDX-License-Identifier: Apache-2.0
#include "localkube/controllers/endpoints.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace localkube {
namespace {

using base::Json;

objects::Object pod(const std::string& name, const std::string& ip, bool ready, int port) {
  Json ports = Json::array({{{"name", "web"}, {"containerPort", port}}});
  Json conditions = Json::array({{{"type", "Ready"}, {"status", ready ? "True" : "False"}}});
  return objects::Object(
      Json{{"metadata", {{"name", name}, {"namespace", "x"}, {"uid", name}, {"labels", {{"app", "a"}}}}},
           {"spec", {{"nodeName", "n"}, {"containers", Json::array({{{"ports", ports}}})}}},
           {"status", {{"podIP", ip}, {"phase", "Running"}, {"conditions", conditions}}}});
}

objects::Object service(Json port) {
  return objects::Object(Json{{"metadata", {{"name", "s"}, {"namespace", "x"}}},
                              {"spec", {{"selector", {{"app", "a"}}}, {"ports", Json::array({std::move(port)})}}}});
}

std::vector<std::string> ips(const Json& addresses) {
  std::vector<std::string> out;
  for (const Json& one : addresses) out.push_back(one["ip"]);
  return out;
}

TEST(Endpoints, AreInTheOrderOfTheirAddresses) {
  auto slices =
      slices_of(service({{"port", 80}, {"targetPort", "web"}}),
                {pod("a", "10.10.0.9", true, 80), pod("b", "10.10.0.21", true, 80), pod("c", "10.10.0.3", false, 80),
                 pod("d", "10.10.0.1", false, 80), pod("e", "10.10.0.4", true, 81)});
  ASSERT_EQ(slices.size(), 2u);
  std::vector<std::string> of_slice;
  for (const Json& one : slices[0]["endpoints"]) of_slice.push_back(one["addresses"][0]);
  EXPECT_EQ(of_slice, (std::vector<std::string>{"10.10.0.1", "10.10.0.21", "10.10.0.3", "10.10.0.9"}));
  Json subsets = subsets_of(slices);
  ASSERT_EQ(subsets.size(), 2u);
  EXPECT_EQ(ips(subsets[0]["addresses"]), (std::vector<std::string>{"10.10.0.21", "10.10.0.9"}));
  EXPECT_EQ(ips(subsets[0]["notReadyAddresses"]), (std::vector<std::string>{"10.10.0.1", "10.10.0.3"}));
  EXPECT_EQ(ips(subsets[1]["addresses"]), (std::vector<std::string>{"10.10.0.4"}));
}

TEST(Endpoints, OfManyPodsAreOneSubsetOfManySlices) {
  std::vector<objects::Object> pods;
  for (int i = 249; i > 0; i--) pods.push_back(pod(std::to_string(i), "10.10.0." + std::to_string(i), true, 80));
  auto slices = slices_of(service({{"port", 80}}), pods);
  EXPECT_EQ(slices.size(), 3u);
  Json subsets = subsets_of(slices);
  ASSERT_EQ(subsets.size(), 1u);
  EXPECT_EQ(subsets[0]["addresses"].size(), 249u);
  EXPECT_TRUE(std::ranges::is_sorted(ips(subsets[0]["addresses"])));
}

}  // namespace
}  // namespace localkube
