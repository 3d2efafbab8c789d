// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "proxy/listener/listener_config.h"

namespace proxy {
namespace {

std::shared_ptr<const FilterChain> chain(std::string name, FilterChainMatch match) {
  auto out = std::make_shared<FilterChain>();
  out->name = std::move(name);
  out->match = std::move(match);
  return out;
}

Arrival to(const char* address, uint16_t port) {
  return {.local = *net::Address::parse(address, port), .remote = *net::Address::parse("10.1.1.1", 40000)};
}

std::string chosen(const Listener& listener, const Arrival& arrival) {
  const FilterChain* found = listener.chain_for(arrival);
  return found ? found->name : "none";
}

TEST(FilterChains, ThePermissiveInboundListenerOfAMeshSortsItsPeers) {
  Listener listener;
  listener.chains = {
      chain("blackhole", {.destination_port = 15006}),
      chain("mesh http", {.destination_port = 5000,
                          .transport = "tls",
                          .protocols = {"istio-http/1.0", "istio-http/1.1", "istio-h2"}}),
      chain("plain http", {.destination_port = 5000, .transport = "raw_buffer", .protocols = {"http/1.1", "h2c"}}),
      chain("mesh tcp", {.destination_port = 5000, .transport = "tls", .protocols = {"istio-peer-exchange", "istio"}}),
      chain("plain tcp", {.destination_port = 5000, .transport = "raw_buffer"}),
      chain("own tls", {.destination_port = 5000, .transport = "tls"}),
      chain("other port", {.transport = "raw_buffer"}),
  };
  auto tls = to("10.0.0.1", 5000);
  tls.transport = "tls";
  tls.protocols = {"seine/1", "istio-http/1.1", "istio", "http/1.1"};
  EXPECT_EQ(chosen(listener, tls), "mesh http");
  tls.protocols = {"istio-peer-exchange", "istio"};
  EXPECT_EQ(chosen(listener, tls), "mesh tcp");
  tls.protocols = {"h2"};
  EXPECT_EQ(chosen(listener, tls), "own tls");
  auto plain = to("10.0.0.1", 5000);
  EXPECT_EQ(chosen(listener, plain), "plain tcp");
  plain.protocols = {"http/1.1"};
  EXPECT_EQ(chosen(listener, plain), "plain http");
  EXPECT_EQ(chosen(listener, to("10.0.0.1", 15006)), "blackhole");
  EXPECT_EQ(chosen(listener, to("10.0.0.1", 7777)), "other port");
  auto other_tls = to("10.0.0.1", 7777);
  other_tls.transport = "tls";
  EXPECT_EQ(chosen(listener, other_tls), "none");
}

TEST(FilterChains, TheLongestPrefixAndTheMostSpecificNameWin) {
  auto range = [](const char* ip, uint32_t bits) { return std::vector<AddressRange>{*AddressRange::parse(ip, bits)}; };
  Listener listener;
  listener.chains = {
      chain("wide", {.destinations = range("10.0.0.0", 8)}),
      chain("narrow", {.destinations = range("10.1.0.0", 16)}),
      chain("named", {.destinations = range("10.1.0.0", 16), .server_names = {"a.example.com"}}),
      chain("star", {.destinations = range("10.1.0.0", 16), .server_names = {"*.example.com"}}),
  };
  listener.default_chain = chain("default", {});
  EXPECT_EQ(chosen(listener, to("10.2.0.1", 80)), "wide");
  EXPECT_EQ(chosen(listener, to("10.1.0.1", 80)), "narrow");
  EXPECT_EQ(chosen(listener, to("192.168.0.1", 80)), "default");
  auto named = to("10.1.0.1", 80);
  named.server_name = "A.example.com";
  EXPECT_EQ(chosen(listener, named), "named");
  named.server_name = "b.example.com";
  EXPECT_EQ(chosen(listener, named), "star");
  named.server_name = "example.com";
  EXPECT_EQ(chosen(listener, named), "narrow");
}

TEST(FilterChains, AnAddressRangeComparesBitsAndFamilies) {
  auto range = AddressRange::parse("10.16.0.0", 12);
  ASSERT_TRUE(range);
  EXPECT_TRUE(range->contains(*net::Address::parse("10.31.255.255", 1)));
  EXPECT_FALSE(range->contains(*net::Address::parse("10.32.0.0", 1)));
  EXPECT_FALSE(range->contains(*net::Address::parse("::1", 1)));
  EXPECT_FALSE(AddressRange::parse("10.0.0.0", 33));
}

}  // namespace
}  // namespace proxy
