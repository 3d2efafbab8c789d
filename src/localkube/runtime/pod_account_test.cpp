// SPDX-License-Identifier: Apache-2.0
#include "localkube/runtime/pod_account.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace localkube {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Phase = ContainerAccount::Phase;

const net::Clock::time_point kNow = net::Clock::time_point(std::chrono::hours(1));

objects::Object pod(const char* restart_policy) {
  return objects::Object(
      base::Json{{"metadata", {{"name", "p"}, {"namespace", "default"}, {"uid", "u"}}},
                 {"spec",
                  {{"restartPolicy", restart_policy},
                   {"initContainers", {{{"name", "init"}}, {{"name", "proxy"}, {"restartPolicy", "Always"}}}},
                   {"containers", {{{"name", "app"}}}}}}});
}

ContainerAccount& run(PodAccount& account, size_t i, bool started = true) {
  ContainerAccount& container = account.containers[i];
  container.phase = Phase::Running;
  container.ever_started = container.started = started;
  return container;
}

TEST(PodAccount, AnEndIsOfTheAttemptThatEnded) {
  PodAccount account = account_of(pod("Always"));
  ContainerAccount& app = run(account, 2);
  EXPECT_FALSE(has_ended(app));
  note_exit(account, app, {.code = 3, .finished_ms = 1000}, kNow);
  EXPECT_TRUE(has_ended(app));
  app.attempt = 1;  // it starts again in the same millisecond
  EXPECT_FALSE(has_ended(app));
}

TEST(PodAccount, InitContainersComeOneByOneAndASidecarMustHaveStarted) {
  PodAccount account = account_of(pod("Always"));
  EXPECT_THAT(decide(account, kNow).start, ElementsAre(0));
  run(account, 0);
  EXPECT_THAT(decide(account, kNow).start, IsEmpty());
  note_exit(account, account.containers[0], {.code = 0}, kNow);
  EXPECT_THAT(decide(account, kNow).start, ElementsAre(1));
  run(account, 1, false);
  EXPECT_THAT(decide(account, kNow).start, IsEmpty());
  account.containers[1].started = true;
  EXPECT_THAT(decide(account, kNow).start, ElementsAre(2));
}

TEST(PodAccount, AJobIsDoneAlthoughItsSidecarRuns) {
  PodAccount account = account_of(pod("Never"));
  run(account, 0);
  note_exit(account, account.containers[0], {.code = 0}, kNow);
  run(account, 1);
  account.initialized = true;
  run(account, 2);
  note_exit(account, account.containers[2], {.code = 0}, kNow);
  Decision decision = decide(account, kNow);
  EXPECT_TRUE(decision.stop_sidecars);
  EXPECT_EQ(decision.final_phase, "");
  note_exit(account, account.containers[1], {.code = 143}, kNow);
  EXPECT_EQ(decide(account, kNow).final_phase, "Succeeded");
}

TEST(PodAccount, AFailedInitContainerFailsAPodThatNeverRestarts) {
  PodAccount account = account_of(pod("Never"));
  run(account, 0);
  note_exit(account, account.containers[0], {.code = 1}, kNow);
  EXPECT_EQ(decide(account, kNow).final_phase, "Failed");
}

TEST(PodAccount, TheFirstRestartIsAtOnceAndLaterOnesBackOff) {
  PodAccount account = account_of(pod("Always"));
  account.initialized = true;
  run(account, 1);
  ContainerAccount& app = run(account, 2);
  note_exit(account, app, {.code = 1}, kNow);
  EXPECT_THAT(decide(account, kNow).start, ElementsAre(2));
  app.attempt = 1;
  app.phase = Phase::Running;
  app.last = {{"exitCode", 1}};
  note_exit(account, app, {.code = 1}, kNow);
  Decision decision = decide(account, kNow);
  EXPECT_THAT(decision.start, IsEmpty());
  EXPECT_EQ(*decision.look_again, kNow + std::chrono::seconds(10));
  EXPECT_THAT(decide(account, *decision.look_again).start, ElementsAre(2));
}

TEST(PodAccount, StatusCountsSidecarsAndKeepsTheTimesOfConditions) {
  objects::Object object = pod("Always");
  PodAccount account = account_of(object);
  account.conditions["PodScheduled"] = {"True", "2026-01-01T00:00:00Z"};
  base::Json status = status_of(object, account, "10.10.0.1");
  EXPECT_EQ(status["phase"], "Pending");
  EXPECT_EQ(status["initContainerStatuses"].size(), 2u);
  EXPECT_EQ(status["containerStatuses"][0]["state"]["waiting"]["reason"], "PodInitializing");
  for (const base::Json& condition : status["conditions"])
    if (condition["type"] == "PodScheduled") {
      EXPECT_EQ(condition["lastTransitionTime"], "2026-01-01T00:00:00Z");
    }
}

}  // namespace
}  // namespace localkube
