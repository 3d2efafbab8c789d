// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <unordered_set>

#include "localkube/process/fd.h"
#include "net/address.h"
#include "net/connection.h"
#include "net/listener.h"

namespace localkube {

// Carries connections from a socket of the host's network, which hold opened,
// to an address inside the cluster's.
class Relay {
 public:
  static base::Result<std::unique_ptr<Relay>> make(net::Loop& loop, Fd listening, const net::Address& target);
  ~Relay();

  const net::Address& target() const { return target_; }

 private:
  class Pair;
  Relay(net::Loop& loop, const net::Address& target) : loop_(loop), target_(target) {}
  void accepted(int fd, const net::Address& peer);

  net::Loop& loop_;
  net::Address target_;
  std::unordered_set<Pair*> pairs_;  // owned
  std::unique_ptr<net::Listener> listener_;
};

}  // namespace localkube
