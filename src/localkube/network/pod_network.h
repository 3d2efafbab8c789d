// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>

#include "localkube/network/netlink.h"
#include "net/address.h"

namespace localkube {

inline constexpr const char* kGatewayAddress = "10.10.0.1";  // the node's own
inline constexpr const char* kDnsAddress = "10.200.0.10";
inline constexpr const char* kApiServiceAddress = "10.200.0.1";
inline constexpr const char* kPodNetwork = "10.10.0.0";
inline constexpr const char* kServiceNetwork = "10.200.0.0";
inline constexpr int kNetworkPrefix = 16;
inline constexpr uint16_t kApiPort = 6443;

// The cluster's network as seen from serve: one veth pair a pod, and a route to
// its one address. Pods share no link, so none hears another's ARP; what comes
// out of a pod with a source that is not its own is dropped by the kernel's
// reverse path filter. They reach everything, each other too, through the
// gateway: every packet passes one routing step here, so that the Service
// rules' connection tracking sees both directions.
class PodNetwork {
 public:
  static base::Result<PodNetwork> make();  // may be called again after a restart

  // A free address; those given back are used again last.
  base::Result<std::string> take_address();
  void claim_address(const std::string& address);  // that a pod from before a restart has
  void release_address(const std::string& address);

  // Gives the pod whose network namespace that is its interface and the node the way to it.
  base::Result<void> attach(const std::string& address, int network_namespace);

 private:
  explicit PodNetwork(Netlink netlink) : netlink_(std::move(netlink)) {}

  Netlink netlink_;
  std::set<uint32_t> taken_;  // offsets in the pod network
  uint32_t last_ = 1;
};

// The pod's end, called inside its namespace once eth0 is there.
base::Result<void> configure_pod_interfaces(const std::string& address);

}  // namespace localkube
