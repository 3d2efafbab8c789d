// SPDX-License-Identifier: Apache-2.0
#include "capture/rules.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/original.h"

namespace capture {

TEST(CaptureRules, TheInitContainersCommandLineIsUnderstood) {
  auto rules = parse_rules({"--outbound-port", "15001", "--inbound-port=15006", "--proxy-uid", "1337",
                            "--exclude-inbound-ports", "15090,15021,15020", "--include-outbound-cidrs", "*"});
  ASSERT_TRUE(rules) << rules.error().message;
  EXPECT_EQ(rules->exclude_inbound_ports, (std::vector<uint16_t>{15090, 15021, 15020}));
  EXPECT_TRUE(rules->all_outbound);
}

TEST(CaptureRules, AWrongValueIsNamed) {
  auto port = parse_rules({"--exclude-inbound-ports", "15090,web"});
  ASSERT_FALSE(port);
  EXPECT_NE(port.error().message.find("\"web\""), std::string::npos);
  EXPECT_FALSE(parse_rules({"--include-outbound-cidrs", "10.0.0.0/33"}));
  EXPECT_FALSE(parse_rules({"--outbound"}));
}

TEST(CaptureRules, ExcludedRangesComeBeforeTheRedirection) {
  auto rules = parse_rules({"--exclude-outbound-cidrs", "10.9.0.0/16"});
  ASSERT_TRUE(rules);
  std::string script = nft_script(*rules);
  EXPECT_LT(script.find("ip daddr 10.9.0.0/16 return"), script.find("meta l4proto tcp redirect to :15001"));
}

// Runs in a network namespace of its own, where this user may make one.
TEST(CaptureRules, TheKernelTakesThemAndTheyCanBeAppliedTwice) {
  pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNET) != 0) _exit(77);
    Rules rules;
    rules.exclude_inbound_ports = {15090, 15021};
    rules.exclude_outbound_cidrs = {"10.9.0.0/16", "fd00::/8"};
    _exit(apply(rules) && apply(rules) ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "no right to make a network namespace";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace capture
