// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <unordered_set>

#include "localkube/process/fd.h"
#include "net/address.h"
#include "net/connection.h"
#include "net/listener.h"

namespace localkube {

// Carries each connection that comes to a listening socket on to where it shall
// go: from the host's network, whose socket hold opened, to an address inside
// the cluster's; or into a pod, by a connection that was made in there.
class Relay {
 public:
  static base::Result<std::unique_ptr<Relay>> make(net::Loop& loop, Fd listening, const net::Address& target);
  // `dial` gives a connected socket for each.
  using Dial = std::function<net::Task<base::Result<Fd>>()>;
  static base::Result<std::unique_ptr<Relay>> make(net::Loop& loop, Fd listening, Dial dial);
  ~Relay();

 private:
  class Pair;
  explicit Relay(net::Loop& loop) : loop_(loop) {}
  static base::Result<std::unique_ptr<Relay>> begin(std::unique_ptr<Relay> relay, Fd listening);
  static net::Task<void> dial_for(Relay* self, std::weak_ptr<bool> alive, Fd accepted, net::Address peer);
  void accepted(int fd, const net::Address& peer);

  net::Loop& loop_;
  net::Address target_;
  Dial dial_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unordered_set<Pair*> pairs_;  // owned
  std::unique_ptr<net::Listener> listener_;
};

}  // namespace localkube
