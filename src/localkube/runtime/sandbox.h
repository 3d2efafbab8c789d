// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "localkube/process/packets.h"
#include "localkube/runtime/node.h"
#include "localkube/shim/spec.h"

namespace localkube {

// A pod's shim as serve sees it: its address, requests to it, its events. Lives
// in pods/UID/ of the state directory, which is the working directory, so that
// socket paths stay short.
class Sandbox {
 public:
  // How a container stands in its latest attempt, as the shim tells.
  struct State {
    std::string container;
    int attempt = 0;
    bool running = false;
    int code = 0;
    int64_t started_ms = 0;
    int64_t finished_ms = 0;
  };
  // On the loop; `died` is the last call.
  struct Calls {
    std::function<void(const State&)> exited;
    std::function<void()> died;
  };
  struct Order {
    std::string uid;
    std::string hostname;
    base::Json memory_volumes;
  };
  using Started = base::Result<std::unique_ptr<Sandbox>>;

  static net::Task<Started> start(Node& node, Order order);
  // The shim that a serve before this one started; NotFound where it is gone.
  static net::Task<Started> adopt(Node& node, std::string uid);
  ~Sandbox();  // leaves the shim alone; it forgets only the address
  Sandbox(const Sandbox&) = delete;

  void listen(Calls calls) { calls_ = std::move(calls); }
  const std::string& address() const { return address_; }
  const std::vector<State>& states_at_adoption() const { return states_; }

  net::Task<base::Result<void>> start_container(ContainerSpec spec);
  void signal(const std::string& container, int number);

  // An exec's or attach's ends: in, out, err, or the terminal's master alone.
  struct Session {
    int64_t id = 0;
    std::vector<Fd> ends;
    net::Oneshot<int> exited;  // of an exec
  };
  struct ExecOrder {
    std::string container;
    std::vector<std::string> argv;
    bool tty = false;
    bool in = false;
  };
  net::Task<base::Result<Session>> exec(ExecOrder order);
  net::Task<base::Result<Session>> attach(std::string container, bool with_input);
  // A socket connected to a port of the pod's own loopback.
  net::Task<base::Result<Fd>> connect_to(uint16_t port);
  void signal_exec(int64_t id, int number);
  void resize(const std::string& container, int rows, int columns);

  net::Task<void> end();  // kills the pod; done when its processes are gone

 private:
  Sandbox(Node& node, std::string uid) : node_(node), uid_(std::move(uid)) {}
  net::Task<base::Result<void>> connect();
  net::Task<base::Result<std::shared_ptr<Packet>>> ask(base::Json request, Fd attached);
  void on_packet(Packet packet);
  void on_closed();

  Node& node_;
  const std::string uid_;
  std::string address_;
  pid_t pid_ = 0;
  Calls calls_;
  std::vector<State> states_;
  std::unique_ptr<PacketChannel> channel_;
  std::map<int64_t, net::Oneshot<std::shared_ptr<Packet>>> asked_;
  std::map<int64_t, net::Oneshot<int>> execs_;
  net::Oneshot<bool> connected_;
  net::Oneshot<bool> closed_;
};

std::string pod_directory(std::string_view uid);  // relative to the state directory

}  // namespace localkube
