// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "net/loop.h"
#include "proxy/listener/listener_config.h"
#include "proxy/runtime/overload_state.h"
#include "proxy/runtime/runtime_values.h"

namespace proxy {

// Envoy's overload manager: resource monitors are looked at every so often,
// and what their pressure triggers is told to the workers, so that they shed
// load early and cheaply instead of running out. Main thread.
class Overload {
 public:
  using Config = envoy::config::overload::v3::OverloadManager;

  // What acts beyond the shared state.
  struct Hands {
    std::function<void(bool stopped)> stop_accepting;
    std::function<void()> shrink_heap;
  };

  // Refuses by name what it does not know: an action that never acts protects nobody. The limit of
  // global_downstream_max_connections goes to `connections`.
  static base::Result<std::unique_ptr<Overload>> make(net::Loop& loop, const Config& config,
                                                      std::shared_ptr<ConnectionLimit> connections, Hands hands);

  std::shared_ptr<const OverloadState> state() const { return state_; }
  void look();  // now; otherwise each refresh_interval
  struct Level {
    std::string name;
    double value = 0;  // pressure of a monitor, state of an action: 0 to 1
  };
  const std::vector<Level>& pressures() const { return pressures_; }
  const std::vector<Level>& actions() const { return levels_; }

 private:
  struct Monitor {
    std::string name;
    uint64_t heap_limit = 0;                       // fixed_heap
    std::shared_ptr<ConnectionLimit> connections;  // global_downstream_max_connections
    double pressure() const;
  };
  struct Trigger {
    size_t monitor = 0;
    double from = 1, to = 1;  // equal: a threshold
    double value(double pressure) const;
  };
  enum class Act : uint8_t { StopRequests, CloseConnections, RejectConnections, StopAccepting, ShrinkHeap };
  struct Action {
    Act act;
    std::vector<Trigger> triggers;
  };

  Overload(net::Loop& loop, Hands hands) : hands_(std::move(hands)), timer_(loop, [this] { tick(); }) {}
  base::Result<void> add_monitor(const envoy::config::overload::v3::ResourceMonitor& from,
                                 const std::shared_ptr<ConnectionLimit>& connections);
  base::Result<void> add_action(const envoy::config::overload::v3::OverloadAction& from);
  void tick();

  Hands hands_;
  net::Timer timer_;
  std::chrono::milliseconds interval_{1000};
  std::vector<Monitor> monitors_;
  std::vector<Action> actions_;
  std::vector<Level> pressures_, levels_;
  std::shared_ptr<OverloadState> state_ = std::make_shared<OverloadState>();
  bool stopped_ = false;
};

// The limits that a bootstrap's static runtime layers set: envoy.resource_limits.listener.<name>.connection_limit.
base::StringMap<uint64_t> listener_limits_of(const RuntimeValues& runtime);

}  // namespace proxy
