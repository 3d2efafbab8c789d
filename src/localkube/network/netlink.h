// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "localkube/process/fd.h"

namespace localkube {

// The few rtnetlink requests that pods and their bridge need, each done when
// the call returns. Works on the network namespace in which it was opened.
// What exists already counts as done. reference: rtnetlink(7).
class Netlink {
 public:
  static base::Result<Netlink> open();

  base::Result<unsigned> index_of(const std::string& interface) const;
  base::Result<void> add_bridge(const std::string& name);
  // One end here, attached to the bridge and up; the other, `peer`, in the network namespace of that descriptor.
  base::Result<void> add_veth(const std::string& name, unsigned bridge, const std::string& peer, int peer_namespace);
  base::Result<void> remove_link(const std::string& name);
  base::Result<void> bring_up(const std::string& interface);
  base::Result<void> add_address(const std::string& interface, const std::string& ipv4, int prefix);
  // To a network, straight out of an interface; or by a gateway, where one is named.
  base::Result<void> add_route(const std::string& network, int prefix, const std::string& interface,
                               const std::string& gateway = {});

 private:
  explicit Netlink(Fd socket) : socket_(std::move(socket)) {}
  struct Message;
  base::Result<void> request(Message& message) const;

  Fd socket_;
};

}  // namespace localkube
