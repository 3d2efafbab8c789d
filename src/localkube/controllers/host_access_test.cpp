// SPDX-License-Identifier: Apache-2.0
#include "localkube/controllers/host_access.h"

#include <gtest/gtest.h>

namespace localkube {

TEST(HostAccess, AServiceOf250PortsIsServedOnEveryAddressAndNoneTakesAllPorts) {
  EXPECT_EQ(no_more_host_ports(3 * 250 - 1, 3 * 250 - 1, "x"), "");
  EXPECT_EQ(no_more_host_ports(kMostOfService, kMostOfService, "x"), "it has 768 already");
  EXPECT_EQ(no_more_host_ports(0, kMostOfNamespace, "x"), "Services of namespace x have 1536 already");
  EXPECT_EQ(no_more_host_ports(0, kMostOfNamespace - 1, "x"), "");
}

}  // namespace localkube
