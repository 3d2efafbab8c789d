// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "localkube/api/kinds/document.h"
#include "localkube/api/kinds/kinds.h"

namespace localkube {
namespace {

using Faults = std::vector<std::string>;

Faults faults_of(const Problems& problems) {
  Faults out;
  for (const auto& cause : problems.causes()) out.push_back(cause.field + ": " + cause.message);
  return out;
}

// What a create of the document answers.
Faults created(const KindRow& row, Json document) {
  row.rules.defaults(document);
  Problems problems;
  if (row.rules.validate) row.rules.validate(document, problems);
  row.rules.validate_create(document, problems);
  return faults_of(problems);
}

Faults updated(const KindRow& row, const Json& old, const Json& document) {
  Problems problems;
  if (row.rules.validate) row.rules.validate(document, problems);
  row.rules.validate_update(document, old, problems);
  return faults_of(problems);
}

Json slice_of(const char* type, std::vector<std::string> addresses) {
  return {{"addressType", type}, {"endpoints", Json::array({{{"addresses", addresses}}})}};
}

std::string only(const Faults& faults) { return faults.size() == 1 ? faults[0] : std::to_string(faults.size()); }

TEST(EndpointSlices, LeadToNoAddressOfTheNodeOrItsLinks) {
  auto fault = [](const char* type, const char* address) {
    return only(created(endpoint_slices(), slice_of(type, {address})));
  };
  const std::string at = "endpoints[0].addresses[0]: Invalid value: ";
  EXPECT_EQ(fault("IPv4", "127.8.0.1"), at + "\"127.8.0.1\": may not be in the loopback range (127.0.0.0/8, ::1/128)");
  EXPECT_EQ(fault("IPv6", "::1"), at + "\"::1\": may not be in the loopback range (127.0.0.0/8, ::1/128)");
  EXPECT_EQ(fault("IPv4", "169.254.169.254"),
            at + "\"169.254.169.254\": may not be in the link-local range (169.254.0.0/16, fe80::/10)");
  EXPECT_EQ(fault("IPv6", "febf::1"),
            at + "\"febf::1\": may not be in the link-local range (169.254.0.0/16, fe80::/10)");
  EXPECT_EQ(fault("IPv4", "0.0.0.0"), at + "\"0.0.0.0\": may not be unspecified (0.0.0.0)");
  EXPECT_EQ(fault("IPv6", "::"), at + "\"::\": may not be unspecified (::)");
  EXPECT_EQ(fault("IPv4", "224.0.0.251"),
            at + "\"224.0.0.251\": may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
  EXPECT_EQ(fault("IPv6", "ff02::fb"),
            at + "\"ff02::fb\": may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
  for (const char* good : {"10.0.0.1", "128.0.0.1", "169.253.0.1", "126.255.255.255", "224.0.1.1"})
    EXPECT_EQ(created(endpoint_slices(), slice_of("IPv4", {good})), Faults{}) << good;
  for (const char* good : {"2001:db8::1", "fec0::1", "::2"})
    EXPECT_EQ(created(endpoint_slices(), slice_of("IPv6", {good})), Faults{}) << good;
}

TEST(EndpointSlices, HoldAddressesOfTheirOwnTypeInOneSpelling) {
  auto fault = [](const char* type, const char* address) {
    return only(created(endpoint_slices(), slice_of(type, {address})));
  };
  EXPECT_EQ(fault("IPv4", "2001:db8::1"),
            "endpoints[0].addresses: Invalid value: \"2001:db8::1\": must be an IPv4 address");
  EXPECT_EQ(fault("IPv6", "10.0.0.1"), "endpoints[0].addresses: Invalid value: \"10.0.0.1\": must be an IPv6 address");
  EXPECT_EQ(fault("IPv6", "2001:DB8:0::1"),
            "endpoints[0].addresses[0]: Invalid value: \"2001:DB8:0::1\": must be in canonical form (\"2001:db8::1\")");
  EXPECT_EQ(fault("IPv6", "::ffff:127.0.0.1"),
            "endpoints[0].addresses[0]: Invalid value: \"::ffff:127.0.0.1\": must not be an IPv4-mapped IPv6 address");
  EXPECT_EQ(fault("IPv4", "010.0.0.1"),
            "endpoints[0].addresses[0]: Invalid value: \"010.0.0.1\": must be a valid IP address, "
            "(e.g. 10.9.8.7 or 2001:db8::ffff)");
  EXPECT_EQ(fault("FQDN", "db"),
            "endpoints[0].addresses[0]: Invalid value: \"db\": should be a domain with at least two segments separated "
            "by dots");
  EXPECT_EQ(created(endpoint_slices(), slice_of("FQDN", {"db.example.com."})), Faults{});
}

TEST(EndpointSlices, HaveBounds) {
  Json endpoint = {{"addresses", {"10.0.0.1"}}}, slice = {{"addressType", "IPv4"}};
  slice["endpoints"] = std::vector<Json>(1000, endpoint);
  EXPECT_EQ(created(endpoint_slices(), slice), Faults{});
  slice["endpoints"].push_back(endpoint);
  EXPECT_EQ(only(created(endpoint_slices(), slice)), "endpoints: Too many: 1001: must have at most 1000 items");

  EXPECT_EQ(created(endpoint_slices(), slice_of("IPv4", std::vector<std::string>(100, "10.0.0.1"))), Faults{});
  EXPECT_EQ(only(created(endpoint_slices(), slice_of("IPv4", std::vector<std::string>(101, "10.0.0.1")))),
            "endpoints[0].addresses: Too many: 101: must have at most 100 items");

  slice = slice_of("IPv4", {"10.0.0.1"});
  for (int i = 0; i < 20001; i++) slice["ports"].push_back({{"name", "p" + std::to_string(i)}, {"port", 80}});
  EXPECT_EQ(only(created(endpoint_slices(), slice)), "ports: Too many: 20001: must have at most 20000 items");

  slice = slice_of("IPv4", {"10.0.0.1"});
  for (int i = 0; i < 9; i++) slice["endpoints"][0]["hints"]["forZones"].push_back({{"name", "z" + std::to_string(i)}});
  EXPECT_EQ(only(created(endpoint_slices(), slice)),
            "endpoints[0].hints.forZones: Too many: 9: must have at most 8 items");
}

TEST(EndpointSlices, NamesOfPortsNodesAndHostsAreNames) {
  Json slice = slice_of("IPv4", {"10.0.0.1"});
  slice["endpoints"][0]["nodeName"] = "a node";
  slice["endpoints"][0]["hostname"] = "a.b";
  slice["ports"] = {{{"name", "a"}, {"protocol", "tcp"}}, {{"name", "a"}, {"appProtocol", "a b"}}};
  Faults faults = created(endpoint_slices(), slice);
  ASSERT_EQ(faults.size(), 5u);
  EXPECT_EQ(faults[0], "ports[0].protocol: Unsupported value: \"tcp\": supported values: \"SCTP\", \"TCP\", \"UDP\"");
  EXPECT_TRUE(faults[1].starts_with("ports[1].appProtocol: Invalid value: \"a b\"")) << faults[1];
  EXPECT_EQ(faults[2], "ports[1].name: Duplicate value: \"a\"");
  EXPECT_TRUE(faults[3].starts_with("endpoints[0].nodeName: Invalid value: \"a node\"")) << faults[3];
  EXPECT_TRUE(faults[4].starts_with("endpoints[0].hostname: Invalid value: \"a.b\"")) << faults[4];
}

TEST(EndpointSlices, ThatAreStoredAlreadyStayButKeepTheirType) {
  Json old = slice_of("IPv4", {"127.0.0.1"}), relabelled = old, worse = slice_of("IPv4", {"127.0.0.2"});
  relabelled["metadata"]["labels"]["a"] = "b";
  EXPECT_EQ(updated(endpoint_slices(), old, relabelled), Faults{});
  EXPECT_EQ(updated(endpoint_slices(), old, worse).size(), 1u);
  EXPECT_EQ(
      only(updated(endpoint_slices(), slice_of("IPv4", {}), {{"addressType", "IPv6"}, {"endpoints", Json::array()}})),
      "addressType: Invalid value: \"IPv6\": field is immutable");
}

TEST(Endpoints, LeadToNoAddressOfTheNodeOrItsLinks) {
  Json good = {{"subsets", {{{"addresses", {{{"ip", "10.0.0.1"}}}}, {"ports", {{{"port", 80}}}}}}}}, bad = good;
  EXPECT_EQ(created(endpoints(), good), Faults{});
  bad["subsets"][0]["addresses"][0]["ip"] = "127.0.0.1";
  bad["subsets"][0]["notReadyAddresses"] = {{{"ip", "169.254.0.1"}}};
  bad["subsets"][0]["ports"] = {{{"port", 0}, {"name", "a"}}, {{"port", 81}}};
  bad["subsets"].push_back(Json::object());
  EXPECT_EQ(
      created(endpoints(), bad),
      (Faults{"subsets[0].addresses[0].ip: Invalid value: \"127.0.0.1\": may not be in the loopback range "
              "(127.0.0.0/8, ::1/128)",
              "subsets[0].notReadyAddresses[0].ip: Invalid value: \"169.254.0.1\": may not be in the link-local range "
              "(169.254.0.0/16, fe80::/10)",
              "subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
              "subsets[0].ports[1].name: Required value",
              "subsets[1]: Required value: must specify `addresses` or `notReadyAddresses`"}));
  Json relabelled = bad;
  relabelled["metadata"]["labels"]["a"] = "b";
  EXPECT_EQ(updated(endpoints(), bad, relabelled), Faults{});
  EXPECT_NE(updated(endpoints(), good, bad), Faults{});
}

TEST(Services, SendNothingToTheirOwnNodesLoopback) {
  Json service = {{"spec", {{"ports", {{{"port", 80}}}}, {"externalIPs", {"192.0.2.1", "127.0.0.1"}}}}};
  services().rules.defaults(service);
  Problems problems;
  services().rules.validate(service, problems);
  EXPECT_EQ(only(faults_of(problems)),
            "spec.externalIPs[1]: Invalid value: \"127.0.0.1\": may not be in the loopback range "
            "(127.0.0.0/8, ::1/128)");
}

}  // namespace
}  // namespace localkube
