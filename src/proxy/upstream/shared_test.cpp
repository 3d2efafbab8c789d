// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/shared.h"

#include <gtest/gtest.h>

namespace proxy {
namespace {

using namespace std::chrono_literals;

class Outliers : public testing::Test {
 protected:
  void hosts(size_t count) {
    for (size_t i = 0; i < count; ++i)
      hosts_.push_back(shared_.host(*net::Address::parse("10.0.0.1", static_cast<uint16_t>(i + 1)), now_));
    shared_.set_size(count);
  }
  void say(size_t host, Outcome outcome, int status, int times) {
    for (int i = 0; i < times; ++i) shared_.report(*hosts_[host], policy_, outcome, status, now_);
  }
  bool out(size_t host) const { return hosts_[host]->ejected; }
  void pass(std::chrono::milliseconds time) {
    now_ += time;
    shared_.tick(policy_, now_);
  }

  ClusterShared shared_{2};
  OutlierPolicy policy_{.max_ejection_percent = 100};
  net::Clock::time_point now_{1h};
  std::vector<std::shared_ptr<HostShared>> hosts_;
};

TEST_F(Outliers, FailuresInARowEjectAndTimeBringsBackEachTimeLater) {
  hosts(4);
  say(0, Outcome::Response, 500, 4);
  say(0, Outcome::Response, 200, 1);
  say(0, Outcome::Response, 500, 4);
  EXPECT_FALSE(out(0));
  const uint32_t version = shared_.version();
  say(0, Outcome::Response, 500, 1);
  EXPECT_TRUE(out(0));
  EXPECT_NE(shared_.version(), version);
  pass(29s);
  EXPECT_TRUE(out(0));
  pass(1s);
  EXPECT_FALSE(out(0));
  say(0, Outcome::Response, 500, 5);
  EXPECT_TRUE(out(0));
  pass(59s);
  EXPECT_TRUE(out(0)) << "the second time is twice as long";
  pass(1s);
  EXPECT_FALSE(out(0));
}

TEST_F(Outliers, OnlyAsManyGoAsThePercentageAllows) {
  policy_.max_ejection_percent = 10;
  hosts(2);
  say(0, Outcome::Response, 500, 5);
  EXPECT_FALSE(out(0)) << "half of them is more than a tenth";
  EXPECT_EQ(shared_.counts.overflow, 1u);
  policy_.always_eject_one = true;
  say(0, Outcome::Response, 500, 5);
  EXPECT_TRUE(out(0));
  say(1, Outcome::Response, 500, 5);
  EXPECT_FALSE(out(1));
}

TEST_F(Outliers, GatewayFailuresCountOnlyWhereTheyAreEnforced) {
  hosts(4);
  policy_.consecutive_gateway_failure = 2;
  say(0, Outcome::Response, 502, 2);
  EXPECT_FALSE(out(0));
  EXPECT_EQ(shared_.counts.detected_by[static_cast<size_t>(ClusterShared::Cause::GatewayFailure)], 1u);
  policy_.enforce_gateway_failure = 100;
  say(1, Outcome::Response, 502, 1);
  say(1, Outcome::Response, 500, 1);
  say(1, Outcome::Response, 502, 1);
  EXPECT_FALSE(out(1)) << "500 is not a gateway's";
  say(1, Outcome::Response, 502, 1);
  EXPECT_TRUE(out(1));
}

TEST_F(Outliers, FailuresOfThisSideCountByThemselvesWhereSplit) {
  hosts(4);
  policy_.split_local = true;
  policy_.consecutive_local_failure = 3;
  say(0, Outcome::ConnectFailed, 0, 2);
  say(0, Outcome::Connected, 0, 1);
  say(0, Outcome::ConnectFailed, 0, 2);
  EXPECT_FALSE(out(0));
  say(0, Outcome::Timeout, 0, 1);
  EXPECT_TRUE(out(0));
  say(1, Outcome::Response, 500, 5);
  EXPECT_TRUE(out(1));
}

TEST_F(Outliers, AnEndpointFarBelowTheOthersSuccessRateGoes) {
  hosts(5);
  policy_.consecutive_5xx = 0;
  policy_.success_rate_volume = 10;
  for (size_t host = 0; host < 5; ++host) say(host, Outcome::Response, 200, 50);
  say(4, Outcome::Response, 500, 50);
  pass(10s);
  EXPECT_TRUE(out(4));
  for (size_t host = 0; host < 4; ++host) EXPECT_FALSE(out(host));
}

TEST_F(Outliers, FailurePercentageNeedsVolumeHostsAndEnforcement) {
  hosts(5);
  policy_.consecutive_5xx = 0;
  policy_.enforce_success_rate = 0;
  policy_.enforce_failure_percentage = 100;
  policy_.failure_percentage_volume = 20;
  for (size_t host = 0; host < 4; ++host) say(host, Outcome::Response, 200, 20);
  say(4, Outcome::Response, 500, 19);
  pass(10s);
  EXPECT_FALSE(out(4)) << "19 requests are too few to judge";
  for (size_t host = 0; host < 4; ++host) say(host, Outcome::Response, 200, 20);
  say(4, Outcome::Response, 500, 20);
  pass(10s);
  EXPECT_TRUE(out(4));
}

TEST_F(Outliers, APassedActiveCheckEndsTheRest) {
  hosts(3);
  say(0, Outcome::Response, 500, 5);
  ASSERT_TRUE(out(0));
  shared_.set_checked(*hosts_[0], Checked::Passes, true);
  EXPECT_FALSE(out(0));
}

TEST(Limits, AreTheProcesssWhicheverWorkerCounts) {
  Limits limits(4);
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(limits.take(0, Limited::Requests, false, 10)) << i;
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(limits.take(1, Limited::Requests, false, 10)) << i;
  EXPECT_FALSE(limits.take(0, Limited::Requests, false, 10));
  EXPECT_FALSE(limits.take(3, Limited::Requests, false, 10)) << "nothing of its own, and all is taken";
  EXPECT_TRUE(limits.take(3, Limited::Requests, true, 10)) << "the other priority has its own";
  limits.give_back(1, Limited::Requests, false, 10);
  EXPECT_TRUE(limits.take(3, Limited::Requests, false, 10));
  EXPECT_EQ(limits.total(Limited::Requests, false), 10u);
  EXPECT_TRUE(limits.take(2, Limited::Requests, false, kUnlimited));
}

}  // namespace
}  // namespace proxy
