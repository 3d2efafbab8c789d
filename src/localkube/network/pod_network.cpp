// SPDX-License-Identifier: Apache-2.0
#include "localkube/network/pod_network.h"

#include <arpa/inet.h>
#include <fcntl.h>

#include "localkube/process/files.h"

namespace localkube {

static base::Result<void> set_kernel(const std::string& path, std::string_view value) {
  Fd file(open(("/proc/sys/net/" + path).c_str(), O_WRONLY | O_CLOEXEC));
  if (!file) return std::unexpected(base::system_error("open /proc/sys/net/" + path, errno));
  return write_all(file.get(), value);
}

static uint32_t offset_of(const std::string& address) {
  in_addr ip{}, network{};
  inet_pton(AF_INET, address.c_str(), &ip);
  inet_pton(AF_INET, kPodNetwork, &network);
  return ntohl(ip.s_addr) - ntohl(network.s_addr);
}

base::Result<PodNetwork> PodNetwork::make() {
  Netlink netlink = TRY(Netlink::open());
  TRY(netlink.bring_up("lo"));
  TRY(netlink.add_address("lo", kGatewayAddress, 32));
  TRY(netlink.add_address("lo", kDnsAddress, 32));
  // So that what starts here meets the Service rules.
  TRY(netlink.add_route(
      {.network = kServiceNetwork, .prefix = kNetworkPrefix, .interface = "lo", .source = kGatewayAddress}));
  TRY(set_kernel("ipv4/ip_forward", "1"));
  // A pod that meets itself is reached by the interface that it came by, on purpose.
  TRY(set_kernel("ipv4/conf/all/send_redirects", "0"));
  TRY(set_kernel("ipv4/conf/default/send_redirects", "0"));
  return PodNetwork(std::move(netlink));
}

base::Result<std::string> PodNetwork::take_address() {
  constexpr uint32_t kLast = 0xFFFE;
  for (uint32_t tries = 0; tries < kLast; tries++) {
    last_ = last_ >= kLast ? 2 : last_ + 1;
    if (!taken_.insert(last_).second) continue;
    return "10.10." + std::to_string(last_ >> 8) + "." + std::to_string(last_ & 0xFF);
  }
  return base::fail(base::ErrorKind::Exhausted, "no free pod address in 10.10.0.0/16");
}

void PodNetwork::claim_address(const std::string& address) {
  uint32_t offset = offset_of(address);
  taken_.insert(offset);
  if (offset <= 0xFFFE) last_ = std::max(last_, offset);
}

void PodNetwork::release_address(const std::string& address) { taken_.erase(offset_of(address)); }

base::Result<void> PodNetwork::attach(const std::string& address, int network_namespace) {
  std::string veth = "p" + address;
  TRY(netlink_.add_veth(veth, "eth0", network_namespace));
  // 1 is strict: the way back to a packet's source must be the way that it came.
  TRY(set_kernel("ipv4/conf/" + veth + "/rp_filter", "1"));
  if (access("/proc/sys/net/ipv6", F_OK) == 0) TRY(set_kernel("ipv6/conf/" + veth + "/disable_ipv6", "1"));
  return netlink_.add_route({.network = address, .interface = veth, .source = kGatewayAddress});
}

base::Result<void> configure_pod_interfaces(const std::string& address) {
  Netlink netlink = TRY(Netlink::open());
  TRY(netlink.bring_up("lo"));
  TRY(netlink.add_address("eth0", address, 32));
  TRY(netlink.bring_up("eth0"));
  TRY(netlink.add_route({.network = kGatewayAddress, .interface = "eth0"}));
  TRY(netlink.add_route({.network = "0.0.0.0", .prefix = 0, .interface = "eth0", .gateway = kGatewayAddress}));
  // As container runtimes do: a process without rights may listen on 80 and ping.
  TRY(set_kernel("ipv4/ip_unprivileged_port_start", "0"));
  return set_kernel("ipv4/ping_group_range", "0 2147483647");
}

}  // namespace localkube
