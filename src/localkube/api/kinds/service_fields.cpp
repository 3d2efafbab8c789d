// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/kinds/service_fields.h"

#include <arpa/inet.h>

#include <vector>

#include "localkube/api/kinds/document.h"

namespace localkube {

namespace {

const in6_addr& bytes_of_v6(const net::Address& address) {
  return reinterpret_cast<const sockaddr_in6*>(address.data())->sin6_addr;
}

// Empty where traffic may be sent there.
std::vector<std::string> faults_of(const net::Address& address, const std::string& text) {
  bool unspecified, loopback, link_local, multicast;
  if (address.family() == AF_INET) {
    uint32_t ip = ntohl(reinterpret_cast<const sockaddr_in*>(address.data())->sin_addr.s_addr);
    unspecified = ip == INADDR_ANY;
    loopback = ip >> 24 == 127;
    link_local = ip >> 16 == 0xa9fe;
    multicast = ip >> 8 == 0xe00000;
  } else {
    const in6_addr& ip = bytes_of_v6(address);
    unspecified = IN6_IS_ADDR_UNSPECIFIED(&ip);
    loopback = IN6_IS_ADDR_LOOPBACK(&ip);
    link_local = IN6_IS_ADDR_LINKLOCAL(&ip);
    multicast = IN6_IS_ADDR_MC_LINKLOCAL(&ip);
  }
  std::vector<std::string> faults;
  if (unspecified) faults.push_back("may not be unspecified (" + text + ")");
  if (loopback) faults.push_back("may not be in the loopback range (127.0.0.0/8, ::1/128)");
  if (link_local) faults.push_back("may not be in the link-local range (169.254.0.0/16, fe80::/10)");
  if (multicast) faults.push_back("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
  return faults;
}

}  // namespace

void check_name(const std::string& path, NameRule rule, const std::string& name, Problems& problems) {
  if (std::string fault = name_fault(rule, name); !fault.empty()) problems.invalid(path, in_quotes(name), fault);
}

void check_port(const std::string& path, const Json* value, Problems& problems) {
  if (!value || !value->is_number_integer()) return;
  int64_t port = value->get<int64_t>();
  if (port < 1 || port > 65535) problems.invalid(path, std::to_string(port), "must be between 1 and 65535, inclusive");
}

void check_protocol(const std::string& path, const Json& port, Problems& problems) {
  std::string protocol = string_at(port, "protocol");
  if (protocol != "TCP" && protocol != "UDP" && protocol != "SCTP")
    problems.not_supported(path, in_quotes(protocol), {"SCTP", "TCP", "UDP"});
}

std::optional<net::Address> check_endpoint_ip(const std::string& path, const Json& value, Problems& problems) {
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  auto address = net::Address::parse(text, 0);
  std::vector<std::string> faults;
  if (!address)
    faults = {"must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"};
  else if (address->family() == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&bytes_of_v6(*address)))
    faults = {"must not be an IPv4-mapped IPv6 address"};
  else
    faults = faults_of(*address, text);
  for (const std::string& fault : faults) problems.invalid(path, in_quotes(text), fault);
  if (!faults.empty()) return std::nullopt;
  return *address;
}

}  // namespace localkube
