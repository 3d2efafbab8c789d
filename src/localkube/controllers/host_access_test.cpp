// SPDX-License-Identifier: Apache-2.0
#include "localkube/controllers/host_access.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/testing/folder.h"
#include "localkube/api/server.h"
#include "localkube/process/files.h"

namespace localkube {

TEST(HostAccess, AServiceOf250PortsIsServedOnEveryAddressAndNoneTakesAllPorts) {
  EXPECT_EQ(no_more_host_ports(3 * 250 - 1, 3 * 250 - 1, "x"), "");
  EXPECT_EQ(no_more_host_ports(kMostOfService, kMostOfService, "x"), "it has 768 already");
  EXPECT_EQ(no_more_host_ports(0, kMostOfNamespace, "x"), "Services of namespace x have 1536 already");
  EXPECT_EQ(no_more_host_ports(0, kMostOfNamespace - 1, "x"), "");
}

using Keys = std::vector<std::string>;

static net::Task<void> until(net::Loop& loop, std::function<bool()> there) {
  for (int i = 0; i < 1000 && !there(); i++) co_await net::sleep(loop, std::chrono::milliseconds(10));
}

TEST(HostAccess, PortsOfServicesThatWentAreForgotten) {
  base::TestFolder folder;
  const auto file = folder.path() / "ports.json";
  const base::Json before = {{"api", "127.0.0.1:1"}, {"node 31999", "127.0.0.1:1"}, {"balancer x/y 80", "127.0.0.1:1"}};
  ASSERT_TRUE(write_file(file, before.dump()));
  net::Loop loop;
  auto ends = packet_pair();
  ASSERT_TRUE(ends);
  HostPorts ports(loop, file);
  std::unique_ptr<PacketChannel> hold;
  hold = std::make_unique<PacketChannel>(
      loop, std::move(ends->first),
      PacketChannel::Calls{.packet = [&](Packet packet) { ports.answer(*hold, packet.body); }, .closed = [] {}});
  HostPortsClient client(loop, std::move(ends->second));
  auto server = ApiServer::open(loop, {.state_dir = folder.path()});
  ASSERT_TRUE(server) << server.error().message;
  EventRecorder events(loop, (*server)->api());
  Cluster cluster{loop, (*server)->api(), events};
  auto create = [&](const char* name, int64_t port, const char* type) {
    base::Json document = {{"metadata", {{"name", name}, {"namespace", "default"}}},
                           {"spec", {{"type", type}, {"ports", {{{"port", port}, {"nodePort", port - 20000}}}}}}};
    EXPECT_TRUE(net::run_to_end(loop, cluster.api.create(kinds::kServices, objects::Object(document))));
  };
  auto comes_to = [&](const Keys& wanted) {
    Keys now;
    net::run_to_end(loop, until(loop, [&] {
                      auto text = base::read_file(file);
                      auto json = base::parse_json(text ? *text : "{}");
                      now.clear();
                      if (json)
                        for (const auto& [key, address] : json->items()) now.push_back(key);
                      return now == wanted;
                    }));
    EXPECT_EQ(now, wanted);
  };
  create("kept", 50001, "NodePort");
  HostAccess access(cluster, client, "");
  comes_to({"api", "node 30001"});

  create("gone", 50002, "LoadBalancer");
  comes_to({"api", "balancer default/gone 50002", "node 30001", "node 30002"});
  EXPECT_TRUE(net::run_to_end(loop, cluster.api.remove(kinds::kServices, "default", "gone", std::nullopt)));
  comes_to({"api", "node 30001"});
}

}  // namespace localkube
