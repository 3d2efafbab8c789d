// SPDX-License-Identifier: Apache-2.0
#include "localkube/network/netlink.h"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cstring>

namespace localkube {

// One request under construction; attributes nest by begin() and end().
struct Netlink::Message {
  alignas(nlmsghdr) char bytes[1024] = {};
  std::string what;  // for the error

  Message(int type, int flags, std::string what_it_does) : what(std::move(what_it_does)) {
    header().nlmsg_len = NLMSG_LENGTH(0);
    header().nlmsg_type = static_cast<uint16_t>(type);
    header().nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  }
  nlmsghdr& header() { return *reinterpret_cast<nlmsghdr*>(bytes); }

  template <typename T>
  void add(const T& fixed) {
    std::memcpy(bytes + NLMSG_ALIGN(header().nlmsg_len), &fixed, sizeof fixed);
    header().nlmsg_len = NLMSG_ALIGN(header().nlmsg_len) + sizeof fixed;
  }
  void attribute(int type, const void* data, size_t size) {
    auto* at = reinterpret_cast<rtattr*>(bytes + NLMSG_ALIGN(header().nlmsg_len));
    at->rta_type = static_cast<unsigned short>(type);
    at->rta_len = static_cast<unsigned short>(RTA_LENGTH(size));
    if (size) std::memcpy(RTA_DATA(at), data, size);
    header().nlmsg_len = static_cast<uint32_t>(NLMSG_ALIGN(header().nlmsg_len) + RTA_ALIGN(at->rta_len));
  }
  void attribute(int type, const std::string& text) { attribute(type, text.c_str(), text.size() + 1); }
  void attribute(int type, uint32_t number) { attribute(type, &number, sizeof number); }
  size_t begin(int type) {
    size_t at = NLMSG_ALIGN(header().nlmsg_len);
    attribute(type, nullptr, 0);
    return at;
  }
  void end(size_t begun) {
    reinterpret_cast<rtattr*>(bytes + begun)->rta_len = static_cast<unsigned short>(header().nlmsg_len - begun);
  }
};

base::Result<Netlink> Netlink::open() {
  Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket) return std::unexpected(base::system_error("netlink socket", errno));
  return Netlink(std::move(socket));
}

base::Result<void> Netlink::request(Message& message) const {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (sendto(socket_.get(), message.bytes, message.header().nlmsg_len, 0, reinterpret_cast<sockaddr*>(&kernel),
             sizeof kernel) < 0)
    return std::unexpected(base::system_error(message.what, errno));
  alignas(nlmsghdr) char reply[4096];
  ssize_t n = recv(socket_.get(), reply, sizeof reply, 0);
  if (n < 0) return std::unexpected(base::system_error(message.what, errno));
  const auto* header = reinterpret_cast<const nlmsghdr*>(reply);
  if (!NLMSG_OK(header, static_cast<size_t>(n)) || header->nlmsg_type != NLMSG_ERROR)
    return base::fail(base::ErrorKind::Internal, message.what + ": unexpected netlink answer");
  int error = -reinterpret_cast<const nlmsgerr*>(NLMSG_DATA(header))->error;
  if (error == 0 || error == EEXIST) return {};
  auto failure = base::system_error(message.what, error);
  if (error == ENODEV) failure.kind = base::ErrorKind::NotFound;
  return std::unexpected(std::move(failure));
}

base::Result<unsigned> Netlink::index_of(const std::string& interface) const {
  unsigned index = if_nametoindex(interface.c_str());
  if (index == 0) return base::fail(base::ErrorKind::NotFound, "no network interface " + interface);
  return index;
}

base::Result<void> Netlink::add_veth(const std::string& name, const std::string& peer, int peer_namespace) {
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "add veth " + name);
  ifinfomsg up{};
  up.ifi_flags = IFF_UP;
  up.ifi_change = IFF_UP;
  message.add(up);
  message.attribute(IFLA_IFNAME, name);
  size_t link = message.begin(IFLA_LINKINFO);
  message.attribute(IFLA_INFO_KIND, std::string("veth"));
  size_t data = message.begin(IFLA_INFO_DATA);
  size_t other = message.begin(VETH_INFO_PEER);
  message.add(ifinfomsg{});
  message.attribute(IFLA_IFNAME, peer);
  message.attribute(IFLA_NET_NS_FD, static_cast<uint32_t>(peer_namespace));
  message.end(other);
  message.end(data);
  message.end(link);
  return request(message);
}

base::Result<void> Netlink::bring_up(const std::string& interface) {
  Message message(RTM_NEWLINK, 0, "bring up " + interface);
  ifinfomsg link{};
  link.ifi_index = static_cast<int>(TRY(index_of(interface)));
  link.ifi_flags = IFF_UP;
  link.ifi_change = IFF_UP;
  message.add(link);
  return request(message);
}

base::Result<void> Netlink::add_address(const std::string& interface, const std::string& ipv4, int prefix) {
  Message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, "add address " + ipv4 + " to " + interface);
  in_addr address{};
  if (inet_pton(AF_INET, ipv4.c_str(), &address) != 1)
    return base::fail(base::ErrorKind::Invalid, "no IPv4 address: " + ipv4);
  ifaddrmsg what{};
  what.ifa_family = AF_INET;
  what.ifa_prefixlen = static_cast<uint8_t>(prefix);
  what.ifa_index = TRY(index_of(interface));
  message.add(what);
  message.attribute(IFA_LOCAL, &address, sizeof address);
  message.attribute(IFA_ADDRESS, &address, sizeof address);
  return request(message);
}

base::Result<void> Netlink::add_route(const Route& route) {
  Message message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL,
                  "add route to " + route.network + "/" + std::to_string(route.prefix));
  rtmsg head{};
  head.rtm_family = AF_INET;
  head.rtm_dst_len = static_cast<uint8_t>(route.prefix);
  head.rtm_table = RT_TABLE_MAIN;
  head.rtm_protocol = RTPROT_BOOT;
  head.rtm_scope = route.gateway.empty() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  head.rtm_type = RTN_UNICAST;
  message.add(head);
  auto add = [&](int type, const std::string& ipv4) -> base::Result<void> {
    in_addr address{};
    if (inet_pton(AF_INET, ipv4.c_str(), &address) != 1)
      return base::fail(base::ErrorKind::Invalid, "no IPv4 address: " + ipv4);
    message.attribute(type, &address, sizeof address);
    return {};
  };
  if (route.prefix > 0) TRY(add(RTA_DST, route.network));
  if (!route.gateway.empty()) TRY(add(RTA_GATEWAY, route.gateway));
  if (!route.source.empty()) TRY(add(RTA_PREFSRC, route.source));
  message.attribute(RTA_OIF, TRY(index_of(route.interface)));
  return request(message);
}

}  // namespace localkube
