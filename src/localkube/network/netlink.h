// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "localkube/process/fd.h"

namespace localkube {

// The few rtnetlink requests that pods and their node need, each done when the
// call returns. Works on the network namespace in which it was opened.
// What exists already counts as done. reference: rtnetlink(7).
class Netlink {
 public:
  static base::Result<Netlink> open();

  base::Result<unsigned> index_of(const std::string& interface) const;
  // One end here and up; the other, `peer`, in the network namespace of that descriptor.
  base::Result<void> add_veth(const std::string& name, const std::string& peer, int peer_namespace);
  base::Result<void> bring_up(const std::string& interface);
  base::Result<void> add_address(const std::string& interface, const std::string& ipv4, int prefix);
  struct Route {
    std::string network;
    int prefix = 32;
    std::string interface;
    std::string gateway = {};  // empty: straight out of the interface
    std::string source = {};   // that what starts here takes; empty: as the kernel chooses
  };
  base::Result<void> add_route(const Route& route);

 private:
  explicit Netlink(Fd socket) : socket_(std::move(socket)) {}
  struct Message;
  base::Result<void> request(Message& message) const;

  Fd socket_;
};

}  // namespace localkube
