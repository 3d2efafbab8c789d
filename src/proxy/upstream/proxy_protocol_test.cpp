// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/proxy_protocol.h"

#include <gtest/gtest.h>

#include "proxy/upstream/check.h"

namespace proxy {
namespace {

TEST(ProxyProtocol, SaysWhoConnectedInBothVersions) {
  const auto source = *net::Address::parse("192.0.2.1", 4660), destination = *net::Address::parse("192.0.2.2", 443);
  EXPECT_EQ(proxy_header(ProxyProtocol::V1, source, destination), "PROXY TCP4 192.0.2.1 192.0.2.2 4660 443\r\n");
  const std::string v2("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x12\x34\x01\xbb", 28);
  EXPECT_EQ(proxy_header(ProxyProtocol::V2, source, destination), v2);
  const auto six = *net::Address::parse("2001:db8::1", 80);
  EXPECT_EQ(proxy_header(ProxyProtocol::V1, six, six), "PROXY TCP6 2001:db8::1 2001:db8::1 80 80\r\n");
  EXPECT_EQ(proxy_header(ProxyProtocol::V2, six, six).size(), 52u);
  EXPECT_EQ(proxy_header(ProxyProtocol::V1, source, six), "PROXY UNKNOWN\r\n");
  EXPECT_EQ(proxy_header(ProxyProtocol::V2, net::Address::unix_path("@x"), six),
            std::string("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16));
}

TEST(Checks, PayloadsStandInTheAnswerInOrder) {
  EXPECT_TRUE(contains_in_order("+PONG\r\nand more", {"PONG", "more"}));
  EXPECT_FALSE(contains_in_order("+PONG\r\nand more", {"more", "PONG"}));
  EXPECT_TRUE(contains_in_order("", {}));
}

}  // namespace
}  // namespace proxy
