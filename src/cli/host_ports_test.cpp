// SPDX-License-Identifier: Apache-2.0
#include "cli/host_ports.h"

#include <gtest/gtest.h>

namespace cli {

TEST(HostPorts, ThatMovedAreToldAndOthersAreNot) {
  objects::Object service(base::Json::parse(R"({
    "kind": "Service", "metadata": {"name": "gateway", "namespace": "mesh", "annotations": {
      "localkube.seine.dev/host-ports": "443=127.0.0.1:443,80=127.0.0.1:8081,node/30080=127.0.0.1:30081"}}})"));
  std::vector<std::string> lines = moved_ports_of(service);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0], "Port 80 of Service mesh/gateway is at 127.0.0.1:8081, as 80 was not free");
  EXPECT_EQ(lines[1], "Node port 30080 of Service mesh/gateway is at 127.0.0.1:30081, as 30080 was not free");
}

}  // namespace cli
