// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "base/error.h"
#include "net/address.h"
#include "net/loop.h"

namespace net {

// A listening socket, TCP or Unix, on one loop. Accepted sockets are
// non-blocking, close-on-exec and, for TCP, without Nagle's delay. Where the
// process has no descriptor left it rests a moment; peers wait in the backlog.
class Listener final : private IoHandler {
 public:
  struct Options {
    bool reuse_port = false;   // several loops listen on one port and the kernel spreads connections
    bool transparent = false;  // IP_TRANSPARENT: takes connections for addresses that are not local
    bool only_ipv6 = false;    // an IPv6 wildcard takes IPv4 too otherwise
    int backlog = 4096;
  };
  // Owns the descriptor. May destroy the listener.
  using Accepted = std::move_only_function<void(int fd, const Address& peer)>;

  static base::Result<std::unique_ptr<Listener>> listen(Loop& loop, const Address& address, Accepted accepted,
                                                        Options options);
  static base::Result<std::unique_ptr<Listener>> listen(Loop& loop, const Address& address, Accepted accepted) {
    return listen(loop, address, std::move(accepted), Options{});
  }
  // A socket that listens already; owned from here, also where this fails.
  static base::Result<std::unique_ptr<Listener>> adopt(Loop& loop, int fd, Accepted accepted);

  ~Listener();
  Listener(const Listener&) = delete;

  const Address& address() const { return address_; }  // with the port that was picked
  int fd() const { return fd_; }
  void pause();  // leaves peers in the backlog
  void resume();
  // So many connections in a row, then the loop's other work gets its turn.
  void set_accepts_at_once(int count) { accepts_at_once_ = count; }

 private:
  Listener(Loop& loop, int fd, Accepted accepted);
  void on_io(uint32_t events) override;

  Loop& loop_;
  int fd_;
  Accepted accepted_;
  Address address_;
  Timer rest_;
  bool paused_ = false;
  int accepts_at_once_ = 64;
  bool* gone_ = nullptr;  // set by the destructor while on_io runs
};

}  // namespace net
