// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "localkube/process/children.h"

namespace localkube {

// One port of one Service, as the packet rules need it.
struct ServicePort {
  std::string protocol = "tcp";  // "tcp", "udp" or "sctp"
  std::string address;           // ClusterIP
  uint16_t port = 0;
  uint16_t node_port = 0;  // 0: none
  bool sticky = false;     // sessionAffinity ClientIP
  struct Target {
    std::string ip;
    uint16_t port = 0;
    auto operator<=>(const Target&) const = default;
  };
  std::vector<Target> targets;
  auto operator<=>(const ServicePort&) const = default;
};

// The nft program of the whole table: replaces what is there in one step.
//
// A connection to a ClusterIP, or to a node port of the node itself, goes to
// one target by chance. What no Service port takes is refused, so that nobody
// waits for an answer. A pod that meets itself gets the node as the source,
// else it would drop its own packet.
std::string ruleset_of(const std::vector<ServicePort>& ports);

// Keeps the kernel's rules as last asked; one nft runs at a time and requests
// that come meanwhile are merged into the next.
class ServiceRules {
 public:
  explicit ServiceRules(Children& children) : children_(children) {}
  void set(std::vector<ServicePort> ports);

 private:
  static net::Task<void> apply(ServiceRules* self);

  Children& children_;
  std::string wanted_;
  std::string applied_;
  bool running_ = false;
};

}  // namespace localkube
