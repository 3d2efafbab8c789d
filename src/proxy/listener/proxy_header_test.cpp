// SPDX-License-Identifier: Apache-2.0
#include "proxy/listener/proxy_header.h"

#include <gtest/gtest.h>

namespace proxy {

static std::string v2(unsigned char command, unsigned char family, const std::string& body) {
  std::string out("\r\n\r\n\0\r\nQUIT\n", 12);
  out += static_cast<char>(command);
  out += static_cast<char>(family);
  out += static_cast<char>(body.size() >> 8);
  out += static_cast<char>(body.size());
  return out + body;
}

static const std::string kV4Body("\x0a\x01\x02\x03\x0a\x01\x02\x04\x30\x39\x00\x50", 12);

TEST(ProxyHeader, Version1SaysBothAddresses) {
  ProxyHeader header;
  EXPECT_EQ(ProxyHeader::parse("PROXY TCP4 10.1.2.3 10.1.2.4 12345 80\r\nGET", {}, header), Look::Yes);
  EXPECT_EQ(header.size, 39u);
  EXPECT_EQ(header.source.text(), "10.1.2.3:12345");
  EXPECT_EQ(header.destination.text(), "10.1.2.4:80");
  EXPECT_EQ(ProxyHeader::parse("PROXY TCP6 2001:db8::1 ::1 1 2\r\n", {}, header), Look::Yes);
  EXPECT_EQ(header.source.text(), "[2001:db8::1]:1");
  EXPECT_EQ(ProxyHeader::parse("PROXY TCP6 ::ffff:10.1.2.3 ::1 1 2\r\n", {}, header), Look::Yes);
  EXPECT_EQ(header.source.text(), "10.1.2.3:1") << "rules about IPv4 addresses hold for it";
  EXPECT_EQ(ProxyHeader::parse("PROXY UNKNOWN whatever it is\r\n", {}, header), Look::Yes);
  EXPECT_FALSE(header.source.valid());
}

TEST(ProxyHeader, Version1IsTakenToTheLetter) {
  ProxyHeader header;
  for (std::string bad :
       {"PROXY TCP4 10.1.2.3 10.1.2.4 12345\r\n", "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP4 10.1.2.3 10.1.2.4 012 80\r\n", "PROXY TCP4 10.1.2.3 10.1.2.4 70000 80\r\n",
        "PROXY TCP4  10.1.2.3 10.1.2.4 1 80\r\n", "PROXY UDP4 10.1.2.3 10.1.2.4 1 80\r\n", "GET / HTTP/1.1\r\n"})
    EXPECT_EQ(ProxyHeader::parse(bad, {}, header), Look::No) << bad;
  EXPECT_EQ(ProxyHeader::parse("PROXY TCP4 " + std::string(100, ' '), {}, header), Look::No) << "it never ends";
  EXPECT_EQ(ProxyHeader::parse("PROXY TCP4 10.1", {}, header), Look::NeedMore);
  EXPECT_EQ(ProxyHeader::parse("PRO", {}, header), Look::NeedMore);
}

TEST(ProxyHeader, Version2SaysBothAddressesAndItsExtensionsArePassedOver) {
  ProxyHeader header;
  EXPECT_EQ(ProxyHeader::parse(v2(0x21, 0x11, kV4Body + std::string("\x04\0\1x", 4)), {}, header), Look::Yes);
  EXPECT_EQ(header.size, 32u);
  EXPECT_EQ(header.source.text(), "10.1.2.3:12345");
  EXPECT_EQ(header.destination.text(), "10.1.2.4:80");
  EXPECT_EQ(ProxyHeader::parse(v2(0x20, 0x11, kV4Body), {}, header), Look::Yes)
      << "LOCAL: a health check of the proxy's own";
  EXPECT_FALSE(header.source.valid());
  EXPECT_EQ(ProxyHeader::parse(v2(0x21, 0x11, kV4Body).substr(0, 20), {}, header), Look::NeedMore);
}

TEST(ProxyHeader, Version2RefusesWhatItDoesNotKnow) {
  ProxyHeader header;
  EXPECT_EQ(ProxyHeader::parse(v2(0x21, 0x11, kV4Body + "\x04?\x01x"), {}, header), Look::No) << "a field too long";
  EXPECT_EQ(ProxyHeader::parse(v2(0x21, 0x11, kV4Body + "\x04?"), {}, header), Look::No) << "half a field";
  EXPECT_EQ(ProxyHeader::parse(v2(0x31, 0x11, kV4Body), {}, header), Look::No) << "version 3";
  EXPECT_EQ(ProxyHeader::parse(v2(0x22, 0x11, kV4Body), {}, header), Look::No) << "another command";
  EXPECT_EQ(ProxyHeader::parse(v2(0x21, 0x12, kV4Body), {}, header), Look::No) << "a datagram";
  EXPECT_EQ(ProxyHeader::parse(v2(0x21, 0x21, kV4Body), {}, header), Look::No) << "too short for IPv6";
}

TEST(ProxyHeader, MayBeMissingOrOfAVersionThatIsNotTaken) {
  ProxyHeader header;
  EXPECT_EQ(ProxyHeader::parse("GET / HTTP/1.1\r\n", {.optional = true}, header), Look::Yes);
  EXPECT_EQ(header.size, 0u);
  EXPECT_EQ(ProxyHeader::parse("PROXY UNKNOWN\r\n", {.v1 = false}, header), Look::No);
  EXPECT_EQ(ProxyHeader::parse(v2(0x20, 0, ""), {.v2 = false}, header), Look::No);
}

}  // namespace proxy
