// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/network/relay.h"
#include "localkube/runtime/container_plan.h"
#include "localkube/runtime/pod_account.h"
#include "localkube/runtime/probe.h"

namespace localkube {

// Runs one pod: from the object in the API to processes, and from what they do
// to the object's status. One coroutine does one step after another (decide ->
// start or stop -> publish); everything that happens meanwhile (exits, verdicts
// of probes, changes of the object) only notes itself and rings the bell.
//
// Lives on serve's loop, as long as its coroutines or the runtime hold it.
class Pod : public std::enable_shared_from_this<Pod> {
 public:
  // `over` is called when nothing is left of the pod here.
  Pod(Node& node, objects::Object object, std::function<void()> over);

  void begin();  // adopts the pod's shim where one runs
  // Set once what was found of the pod's processes is known; where there are
  // none any more the API tells already that it is not ready.
  const net::Oneshot<bool>& looked() const { return looked_; }
  void update(objects::Object object);  // it changed, maybe to be deleted
  void removed();                       // it is gone from the API: end at once
  void refresh_volumes();               // a ConfigMap or Secret of the namespace changed

  const objects::Object& object() const { return object_; }
  std::shared_ptr<Sandbox> sandbox() const { return sandbox_; }
  const ContainerAccount* find(std::string_view container) const;
  // A Unix socket that leads to a port of the pod's loopback, past its sidecar.
  base::Result<std::string> door(uint16_t port);

 private:
  using Self = std::shared_ptr<Pod>;
  struct Watched {  // beside a ContainerAccount, of the same index
    std::unique_ptr<Prober> startup, liveness, readiness;
    std::vector<net::Oneshot<bool>> exit_waiters;
    bool stopping = false;
    bool image_failed = false;
  };

  static net::Task<void> run(Self self);
  static net::Task<void> look_for_shim(Self self);
  static net::Task<void> step(Self self);
  static net::Task<bool> ensure_sandbox(Self self);
  static net::Task<void> start_container(Self self, size_t i);
  static net::Task<void> stop_container(Self self, size_t i, std::chrono::seconds grace, std::string why);
  static net::Task<void> kill_after(Self self, size_t i, int attempt, std::chrono::milliseconds delay);
  static net::Task<void> stop_all(Self self, std::chrono::seconds grace);
  static net::Task<void> end(Self self);
  static net::Task<void> write_status(Self self);

  void recall_containers();
  void adopt_containers();
  void listen_to_sandbox();
  void on_exited(const Sandbox::State& state);
  void on_sandbox_died();
  void ring();
  void watch(size_t i);
  void probed(size_t i, Prober::Kind kind, bool good);
  void cannot_start(size_t i, const PlanError& error);
  void started(size_t i, const base::Result<void>& result, int64_t at_ms);
  static net::Task<void> exit_or_a_moment(Self self, size_t i);
  std::vector<std::string> limited(size_t i, int attempt);
  std::string end_reason(const ContainerAccount& container, int code);
  std::string last_words(const ContainerAccount& container, int code) const;
  PodFacts facts() const;
  void event(EventRecorder::Type type, const std::string& reason, const std::string& message,
             size_t container = SIZE_MAX);
  bool note_status();
  void publish();
  void arm(net::Clock::time_point when);

  Node& node_;
  objects::Object object_;
  std::function<void()> over_;
  PodAccount account_;
  std::vector<Watched> watched_;
  std::shared_ptr<Sandbox> sandbox_;
  std::map<uint16_t, std::unique_ptr<Relay>> doors_;
  Volumes volumes_;
  bool gone_ = false;
  bool settled_ = false;  // it had ended before this serve began: its status stays
  bool stopping_sidecars_ = false;
  bool told_of_limits_ = false;  // that they are not enforced
  net::Queue<bool> bell_;
  net::Oneshot<bool> looked_;
  net::Timer alarm_;
  int failures_ = 0;  // of making the sandbox, in a row
  base::Json published_;
  base::Json to_write_;
  bool writing_ = false;
};

}  // namespace localkube
