// SPDX-License-Identifier: Apache-2.0
#include "localkube/controllers/scheduler.h"

#include <gtest/gtest.h>

namespace localkube {
namespace {

objects::Object object(std::string_view spec) {
  auto parsed = base::parse_json(spec);
  EXPECT_TRUE(parsed) << spec;
  return objects::Object({{"metadata", {{"name", "seine"}, {"labels", {{"disk", "ssd"}, {"cores", "4"}}}}},
                          {"spec", parsed ? *parsed : base::Json::object()}});
}

std::string why(std::string_view pod, std::string_view node = "{}") { return why_not(object(pod), object(node)); }

TEST(Scheduler, ACordonedNodeTakesOnlyPodsThatTolerateIt) {
  const char* cordoned = R"({"unschedulable":true})";
  EXPECT_EQ(why("{}", cordoned), "0/1 nodes are available: 1 node(s) were unschedulable.");
  EXPECT_EQ(why(R"({"tolerations":[{"key":"node.kubernetes.io/unschedulable","operator":"Exists"}]})", cordoned), "");
}

TEST(Scheduler, TaintsKeepAwayPodsThatDoNotTolerateThem) {
  const char* tainted = R"({"taints":[{"key":"a","value":"b","effect":"NoSchedule"}]})";
  EXPECT_EQ(why("{}", tainted), "0/1 nodes are available: 1 node(s) had untolerated taint {a: b}.");
  for (const char* fits : {R"([{"operator":"Exists"}])", R"([{"key":"a","value":"b"}])",
                           R"([{"key":"x"},{"key":"a","operator":"Exists","effect":"NoSchedule"}])"})
    EXPECT_EQ(why(std::string(R"({"tolerations":)") + fits + "}", tainted), "") << fits;
  for (const char* other : {R"([{"key":"a","value":"c"}])", R"([{"key":"a","operator":"Exists","effect":"NoExecute"}])",
                            R"([{"value":"b"}])"})
    EXPECT_NE(why(std::string(R"({"tolerations":)") + other + "}", tainted), "") << other;
  EXPECT_EQ(why("{}", R"({"taints":[{"key":"a","effect":"PreferNoSchedule"}]})"), "");
}

TEST(Scheduler, LabelsThatThePodAsksForMustBeThere) {
  EXPECT_EQ(why(R"({"nodeSelector":{"disk":"ssd"}})"), "");
  EXPECT_NE(why(R"({"nodeSelector":{"disk":"tape"}})"), "");
  auto affine = [](std::string terms) {
    return why(
        R"({"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":)" +
        terms + "}}}}");
  };
  for (
      const char* fits :
      {R"([{"matchExpressions":[{"key":"disk","operator":"In","values":["tape","ssd"]}]}])",
       R"([{"matchExpressions":[{"key":"none","operator":"Exists"}]},{"matchExpressions":[{"key":"disk","operator":"Exists"}]}])",
       R"([{"matchExpressions":[{"key":"cores","operator":"Gt","values":["3"]},{"key":"none","operator":"DoesNotExist"}]}])",
       R"([{"matchFields":[{"key":"metadata.name","operator":"In","values":["seine"]}]}])",
       R"([{"matchExpressions":[{"key":"none","operator":"NotIn","values":["x"]}]}])"})
    EXPECT_EQ(affine(fits), "") << fits;
  for (const char* other :
       {R"([{}])", R"([{"matchExpressions":[{"key":"disk","operator":"NotIn","values":["ssd"]}]}])",
        R"([{"matchExpressions":[{"key":"disk","operator":"Exists"},{"key":"cores","operator":"Lt","values":["4"]}]}])",
        R"([{"matchFields":[{"key":"metadata.name","operator":"In","values":["other"]}]}])"})
    EXPECT_EQ(affine(other), "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.") << other;
}

TEST(Scheduler, AGatedPodWaits) {
  EXPECT_NE(why(R"({"schedulingGates":[{"name":"x"}]})"), "");
  EXPECT_EQ(why(R"({"schedulingGates":[]})"), "");
}

}  // namespace
}  // namespace localkube
