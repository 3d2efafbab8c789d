// SPDX-License-Identifier: Apache-2.0
#include "localkube/network/service_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace localkube {
namespace {

using testing::HasSubstr;
using testing::Not;

ServicePort hello() {
  return {
      .address = "10.200.1.5", .port = 80, .node_port = 30080, .targets = {{"10.10.0.3", 8080}, {"10.10.0.4", 8080}}};
}

TEST(ServiceRules, TargetsAreChosenByChanceForTheClusterIpAndTheNodePort) {
  std::string rules = ruleset_of({hello()});
  EXPECT_THAT(rules, HasSubstr("10.200.1.5 . tcp . 80 : goto s0"));
  EXPECT_THAT(rules, HasSubstr("tcp . 30080 : goto s0"));
  EXPECT_THAT(rules, HasSubstr("numgen random mod 2 map { 0 : 10.10.0.3 . 8080, 1 : 10.10.0.4 . 8080 }"));
  EXPECT_THAT(rules, HasSubstr("10.10.0.3 . 10.10.0.3"));
}

TEST(ServiceRules, APortWithoutTargetsIsLeftToTheRuleThatRefuses) {
  ServicePort empty = hello();
  empty.targets.clear();
  EXPECT_THAT(ruleset_of({empty}), Not(HasSubstr("10.200.1.5 .")));
}

TEST(ServiceRules, StickyPortsChooseByTheClientsAddress) {
  ServicePort sticky = hello();
  sticky.sticky = true;
  EXPECT_THAT(ruleset_of({sticky}), HasSubstr("jhash ip saddr mod 2"));
}

// nft itself is the judge of the text; needs the right to open its netlink socket.
TEST(ServiceRules, NftAcceptsTheTable) {
  ServicePort udp{.protocol = "udp", .address = "10.200.0.53", .port = 53, .targets = {{"10.10.0.9", 5353}}};
  ServicePort sticky = hello();
  sticky.sticky = true;
  sticky.address = "10.200.1.6";
  sticky.node_port = 0;
  net::Loop loop;
  Children children(loop);
  std::vector<std::string> argv = {"nft", "-c", "-f", "-"};
  ServicePort twice = hello(), injected = hello(), elsewhere = hello();
  twice.address = "10.200.1.7";  // with a node port that another has
  injected.address = "10.200.1.8";
  injected.targets = {{"10.10.0.5:80\n  }\n  chain evil {\n    counter", 80}, {"not-an-ip", 80}, {"10.10.0.5", 0}};
  elsewhere.address = "fd00::1";
  const std::string rules = ruleset_of({hello(), sticky, udp, twice, hello(), injected, elsewhere});
  EXPECT_THAT(rules, HasSubstr("10.200.1.7 . tcp . 80"));
  EXPECT_THAT(rules, Not(HasSubstr("10.200.1.8")));
  auto outcome = net::run_to_end(loop, children.run(std::move(argv), rules));
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->code, 0) << outcome->errors;
}

}  // namespace
}  // namespace localkube
