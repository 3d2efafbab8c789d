// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/loop.h"
#include "proxy/admin/admin.h"
#include "proxy/admin/stats_config.h"
#include "proxy/runtime/bootstrap.h"
#include "proxy/runtime/overload.h"
#include "proxy/runtime/runtime_layers.h"
#include "proxy/upstream/dns.h"
#include "proxy/upstream/health_checks.h"

namespace proxy {

class ControlPlane;

struct ProcessOptions {
  unsigned concurrency = 1;
  std::string log_level = "info";
  std::string config_path, config_yaml, log_path;
  uint32_t base_id = 0, epoch = 0;
  bool hot_restart = false;  // a successor may take over
  std::chrono::seconds parent_shutdown{900};
  std::chrono::milliseconds drain_time{45'000};  // for connections under a listener that changed, or is drained
  std::chrono::milliseconds exit_drain{45'000};  // at most so long from SIGTERM to the end
  bool drain_gradually = false;                  // --drain-strategy gradual
  bool istio_metrics = false;
  Workload self;
  std::string node_id;
};

// The data plane of one process: its workers, its configuration, its admin
// port. Lives on the main thread's loop.
class Process {
 public:
  Process(net::Loop& loop, ProcessOptions options, Bootstrap bootstrap);
  ~Process();

  // Static resources and the admin port; from here on it serves.
  base::Result<void> start();
  // Stops accepting and is done once all requests have ended or time is up.
  net::Task<void> drain(std::chrono::milliseconds limit);
  // What /drain_listeners asks for: HTTP connections are asked to go with their responses.
  struct DrainWish {
    bool only_inbound = false;
    bool gracefully = false;      // listeners accept until drain_time is over
    bool keep_listening = false;  // and then too
  };
  void drain_listeners(DrainWish wish);
  // Health checks fail until told otherwise, and HTTP connections are asked to go.
  void set_unwell(bool unwell);
  // A successor serves: no new connections; those that there are go as their requests end, within drain_time.
  void retire();
  void close_admin();
  void open_admin();  // again, where it was, as soon as that is free
  // Every listening socket, by address as it is bound; borrowed. Waits for each worker.
  std::map<std::string, std::vector<int>> listening_sockets() const;

  Configuration& configuration() { return configuration_; }
  const Configuration& configuration() const { return configuration_; }
  // Without its static resources once they are loaded.
  const Bootstrap& bootstrap() const { return bootstrap_; }
  Bootstrap whole_bootstrap() const;
  const ProcessOptions& options() const { return options_; }
  net::Loop& loop() const { return loop_; }
  std::chrono::steady_clock::time_point started() const { return started_; }
  std::chrono::system_clock::time_point loaded() const { return loaded_; }  // the bootstrap
  // The start of the first of the processes that took over from one another.
  std::chrono::steady_clock::time_point first_started() const { return first_started_; }
  void set_first_started(std::chrono::steady_clock::time_point at) { first_started_ = at; }
  net::Address admin_address() const { return admin_address_; }

  // What all workers counted. Waits for each of them to end its turn.
  telemetry::Scrape scrape() const;
  void reset_counters();  // what was counted so far is left out of scrapes from now on
  struct HostFacts {
    std::string address, hostname, workload;
    Endpoint endpoint;
    uint64_t requests = 0, failed = 0, connections_total = 0, connect_failures = 0;
    uint64_t timeouts = 0;
    uint32_t active = 0, connections = 0, pending = 0;
    bool ejected = false;
    std::optional<Checked> checked;  // none: it has no active checks
    double success_rate = -1, local_success_rate = -1;
    EndpointSet::Locality locality;
  };
  // Endpoints of every cluster with the sums over all workers.
  net::Task<std::map<std::string, std::vector<HostFacts>>> hosts();
  size_t busy() const;      // requests and TCP connections under way
  size_t sessions() const;  // downstream connections
  const RuntimeLayers& runtime() const { return runtime_; }
  // Writes to the runtime's admin layer; what was compiled with other values is compiled again.
  base::Result<void> change_runtime(std::span<const RuntimeLayers::Change> changes);
  const Overload* overload() const { return overload_.get(); }

  bool draining() const { return draining_ || unwell_; }
  // "" when all listeners serve and nobody says otherwise.
  std::string not_ready() const;
  std::function<void()> on_quit;
  const ControlPlane* control_plane = nullptr;  // where the configuration comes from; nullptr: the bootstrap has it all

 private:
  void collect_process(telemetry::Scrape& sum) const;
  void stop_listening(bool only_inbound);
  base::Result<void> start_overload();
  void tidy();
  void look_at_memory();
  void demand_host(const std::string& key);
  template <typename Value, typename Ask>
  std::vector<Value> ask_workers(Ask ask) const;

  net::Loop& loop_;
  ProcessOptions options_;
  Bootstrap bootstrap_;
  std::string static_resources_;  // the bootstrap's, serialized: messages take ten times as much
  net::Timer tidy_;               // gives memory back after changes
  net::Timer look_at_memory_;     // and when much of it lies free
  size_t slack_ = 0;              // base::slack_memory() after the last time
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now(), first_started_ = started_;
  std::chrono::system_clock::time_point loaded_ = std::chrono::system_clock::now();
  std::vector<std::unique_ptr<Worker>> workers_;
  RuntimeLayers runtime_;
  Configuration configuration_;
  std::shared_ptr<ConnectionLimit> connections_;  // of the process; nullptr: no limit
  std::unique_ptr<Overload> overload_;
  DnsClusters dns_;
  HealthChecks health_;
  std::unique_ptr<Admin> admin_;
  net::Address admin_address_;
  net::Timer open_admin_;
  std::shared_ptr<Process*> self_ = std::make_shared<Process*>(this);  // for jobs that may come too late
  bool draining_ = false, unwell_ = false;
  net::Timer stop_;  // ends a graceful drain of listeners
  bool stop_only_inbound_ = false;
  StatsConfig stats_config_;
  telemetry::Scrape forgotten_;
};

}  // namespace proxy
