// SPDX-License-Identifier: Apache-2.0
#include "agent/pilot_agent.h"

#include <gtest/gtest.h>

#include <thread>

#include "http/server.h"

namespace agent {

TEST(PilotAgent, AsksTheAdminPortForAnyPath) {
  auto order = pilot_agent_order({"request", "GET", "stats?filter=x"});
  ASSERT_TRUE(order);
  EXPECT_EQ(order->path, "/stats?filter=x");
  EXPECT_EQ(order->port, 15000);
  EXPECT_EQ(pilot_agent_order({"request", "--debug-port=15010", "POST", "/logging"})->port, 15010);
  EXPECT_EQ(pilot_agent_order({"wait", "--url", "http://localhost:15020/healthz/ready"})->port, 15020);
  for (const std::vector<std::string>& wrong : std::vector<std::vector<std::string>>{{},
                                                                                     {"request"},
                                                                                     {"request", "GET"},
                                                                                     {"proxy"},
                                                                                     {"wait", "--periodMillis", "5"},
                                                                                     {"request", "GET", "/", "--url"}})
    EXPECT_FALSE(pilot_agent_order(wrong));
}

TEST(PilotAgent, PrintsTheAnswerAndFailsWithItsStatus) {
  net::Loop loop;
  http::Server admin(loop, [](std::shared_ptr<http::Exchange> exchange) -> net::Task<void> {
    bool known = exchange->request().path == "/stats";
    exchange->respond(known ? 200 : 404, known ? exchange->request().method + " ok" : "unknown");
    co_return;
  });
  auto address = admin.listen(*net::Address::parse("127.0.0.1", 0));
  ASSERT_TRUE(address);
  std::string port = std::to_string(address->port());
  int good = -1, bad = -1;
  testing::internal::CaptureStdout();
  std::thread caller([&] {
    good = run_pilot_agent({"request", "GET", "stats", "--debug-port", port});
    bad = run_pilot_agent({"request", "GET", "none", "--debug-port", port});
    loop.post([&] { loop.stop(); });
  });
  loop.run();
  caller.join();
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "GET okunknown");
  EXPECT_EQ(good, 0);
  EXPECT_EQ(bad, 1);
}

}  // namespace agent
