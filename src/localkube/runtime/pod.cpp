// SPDX-License-Identifier: Apache-2.0
#include "localkube/runtime/pod.h"

#include <signal.h>

#include <algorithm>

#include "base/log.h"
#include "localkube/fields.h"
#include "localkube/process/files.h"
#include "localkube/shim/container.h"

namespace localkube {

using Role = ContainerAccount::Role;
using Phase = ContainerAccount::Phase;
using std::chrono::milliseconds;
using std::chrono::seconds;

static const objects::Resource kPods{"", "v1", "pods"};

Pod::Pod(Node& node, objects::Object object, std::function<void()> over)
    : node_(node),
      object_(std::move(object)),
      over_(std::move(over)),
      account_(account_of(object_)),
      watched_(account_.containers.size()),
      volumes_(node.api, node.issue_token, pod_directory(object_.uid()) + "/volumes"),
      alarm_(node.loop, [this] { ring(); }) {}

void Pod::begin() { net::spawn(run(shared_from_this())); }

void Pod::ring() {
  if (bell_.size() == 0) bell_.push(true);
}

void Pod::arm(net::Clock::time_point when) {
  auto delay = when - net::Clock::now();
  alarm_.arm(std::max<net::Clock::duration>(delay, milliseconds(1)));
}

void Pod::update(objects::Object object) {
  bool told = base::find(object.json(), "metadata", "annotations") != nullptr ||
              base::find(object_.json(), "metadata", "annotations") != nullptr;
  bool described = object.labels() != object_.labels() || (told && object.annotations() != object_.annotations());
  object_ = std::move(object);
  if (described) refresh_volumes();
  if (object_.deleting()) ring();
  if (!items(object_.spec(), "readinessGates").empty()) publish();
}

void Pod::removed() {
  if (std::exchange(gone_, true)) return;
  // Who waits for containers to end gracefully need not any more.
  for (const ContainerAccount& container : account_.containers)
    if (sandbox_ && container.phase == Phase::Running) sandbox_->signal(container.name, SIGKILL);
  ring();
}

const ContainerAccount* Pod::find(std::string_view container) const {
  for (const ContainerAccount& known : account_.containers)
    if (known.name == container) return &known;
  return nullptr;
}

static net::Task<base::Result<Fd>> dial_into(std::shared_ptr<Sandbox> sandbox, uint16_t port) {
  if (!sandbox) co_return base::fail(base::ErrorKind::Closed, "the pod has ended");
  auto socket = co_await sandbox->connect_to(port);
  co_return socket;
}

base::Result<std::string> Pod::door(uint16_t port) {
  if (!sandbox_) return base::fail(base::ErrorKind::NotFound, "pod " + std::string(object_.name()) + " is not running");
  std::string path = pod_directory(object_.uid()) + "/" + std::to_string(port);
  if (doors_.contains(port)) return path;
  Fd listening = TRY(listen_at(path));
  std::weak_ptr<Sandbox> weak = sandbox_;
  doors_[port] =
      TRY(Relay::make(node_.loop, std::move(listening), [weak, port] { return dial_into(weak.lock(), port); }));
  return path;
}

PodFacts Pod::facts() const {
  return {.pod = object_,
          .pod_ip = account_.address,
          .host_ip = node_.ip,
          .node = node_.name,
          .node_milli_cpus = node_.milli_cpus,
          .node_bytes = node_.bytes};
}

void Pod::event(EventRecorder::Type type, const std::string& reason, const std::string& message, size_t container) {
  std::string path;
  if (container < account_.containers.size()) {
    const ContainerAccount& about = account_.containers[container];
    path = std::string(about.role == Role::Main ? "spec.containers{" : "spec.initContainers{") + about.name + "}";
  }
  node_.events.record(object_,
                      {.type = type, .reason = reason, .message = message, .component = "kubelet", .field_path = path});
}

net::Task<void> Pod::run(Self self) {
  co_await look_for_shim(self);
  // What an earlier serve told of its processes is true no more without them.
  bool stale = !self->sandbox_ && !items(self->object_.status(), "containerStatuses").empty();
  if (stale && self->note_status()) co_await write_status(self);
  self->looked_.set(true);
  for (;;) {
    if (self->gone_ || self->object_.deleting()) break;
    co_await step(self);
    self->publish();
    auto rung = co_await self->bell_.next();
    (void)rung;
  }
  co_await end(self);
}

net::Task<void> Pod::look_for_shim(Self self) {
  std::string phase = string_at(self->object_.status(), "phase");
  if (phase == "Succeeded" || phase == "Failed") self->account_.final_phase = phase;
  self->settled_ = !self->account_.final_phase.empty();
  auto adopted = co_await Sandbox::adopt(self->node_, std::string(self->object_.uid()));
  self->recall_containers();
  if (!adopted) {
    for (ContainerAccount& container : self->account_.containers) container.started = container.ready = false;
    co_return;
  }
  self->sandbox_ = std::move(*adopted);
  self->listen_to_sandbox();
  self->adopt_containers();
}

// What the status says of containers that an earlier serve has run.
void Pod::recall_containers() {
  for (const char* list : {"initContainerStatuses", "containerStatuses"})
    for (const base::Json& status : items(object_.status(), list))
      for (ContainerAccount& container : account_.containers) {
        if (container.name != base::text(status, "name")) continue;
        bool ran = !base::text(status, "containerID").empty();
        container.ever_started = ran;
        container.attempt = static_cast<int>(number(status, "restartCount"));
        container.image_id = string_at(status, "imageID");
        if (const base::Json* last = base::find(status, "lastState", "terminated")) container.last = *last;
        if (const base::Json* end = base::find(status, "state", "terminated")) {
          container.phase = Phase::Exited;
          container.code = static_cast<int>(number(*end, "exitCode"));
          container.reason = string_at(*end, "reason");
          container.message = string_at(*end, "message");
          container.started_ms = parse_time(base::text(*end, "startedAt")).value_or(0) * 1000;
          container.finished_ms = parse_time(base::text(*end, "finishedAt")).value_or(0) * 1000;
        } else if (const base::Json* running = base::find(status, "state", "running")) {
          // Unless a shim says otherwise, it went down with the machine.
          container.started_ms = parse_time(base::text(*running, "startedAt")).value_or(0) * 1000;
          note_exit(account_, container, {.code = 255, .finished_ms = now_ms(), .reason = "Unknown"},
                    net::Clock::now());
          container.not_before = {};
          container.started = truth(status, "started");
          container.ready = truth(status, "ready");
        }
      }
  // A pod without processes begins anew: its network, and so its capture rules, are new.
  if (sandbox_ || !account_.final_phase.empty()) return;
  for (ContainerAccount& container : account_.containers)
    if (container.role == Role::Init) container.phase = Phase::Waiting;
}

void Pod::adopt_containers() {
  account_.address = sandbox_->address();
  account_.sandbox = true;
  for (const Sandbox::State& state : sandbox_->states_at_adoption())
    for (size_t i = 0; i < account_.containers.size(); i++) {
      ContainerAccount& container = account_.containers[i];
      if (container.name != state.container) continue;
      container.ever_started = true;
      container.attempt = state.attempt;
      container.started_ms = state.started_ms;
      if (container.role == Role::Main) account_.initialized = true;
      if (!state.running) {
        if (container.phase != Phase::Exited || container.reason == "Unknown")
          note_exit(account_, container,
                    {.code = state.code,
                     .finished_ms = state.finished_ms,
                     .reason = end_reason(container, state.code),
                     .message = last_words(container, state.code)},
                    net::Clock::now());
        continue;
      }
      container.phase = Phase::Running;
      container.reason.clear();
      watch(i);
    }
}

void Pod::listen_to_sandbox() {
  std::weak_ptr<Pod> weak = weak_from_this();
  sandbox_->listen({.exited =
                        [weak](const Sandbox::State& state) {
                          if (auto self = weak.lock()) self->on_exited(state);
                        },
                    .died =
                        [weak] {
                          if (auto self = weak.lock()) self->on_sandbox_died();
                        }});
}

net::Task<void> Pod::step(Self self) {
  PodAccount& account = self->account_;
  if (!account.final_phase.empty()) {
    if (auto sandbox = std::exchange(self->sandbox_, nullptr)) co_await sandbox->end();
    account.sandbox = false;
    co_return;
  }
  bool there = co_await ensure_sandbox(self);
  if (!there) co_return;
  Decision decision = decide(account, net::Clock::now());
  // Those that a client may attach to are waited for a moment, which shall hold up no other.
  std::stable_partition(decision.start.begin(), decision.start.end(),
                        [&](size_t i) { return !truth(account.containers[i].spec, "stdin"); });
  for (size_t i : decision.start) {
    if (self->gone_ || !self->sandbox_) co_return;
    co_await start_container(self, i);
  }
  if (!decision.start.empty()) {
    self->ring();
    decision.final_phase = decide(account, net::Clock::now()).final_phase;  // it may all be over already
  }
  if (decision.stop_sidecars && !std::exchange(self->stopping_sidecars_, true)) net::spawn(stop_all(self, seconds(30)));
  if (!decision.final_phase.empty()) {
    account.final_phase = decision.final_phase;
    self->ring();
  }
  if (decision.look_again) self->arm(*decision.look_again);
}

net::Task<bool> Pod::ensure_sandbox(Self self) {
  if (self->sandbox_) co_return true;
  if (self->account_.start_time.empty()) self->account_.start_time = now_text();
  auto prepared = self->volumes_.prepare(self->facts());
  base::Result<void> done = std::move(prepared);
  std::string reason = "FailedMount";
  if (done) {
    reason = "FailedCreatePodSandBox";
    std::string hostname = string_at(self->object_.spec(), "hostname");
    if (hostname.empty()) hostname = self->object_.name().substr(0, 63);
    Sandbox::Order order{.uid = std::string(self->object_.uid()),
                         .hostname = hostname,
                         .memory_volumes = self->volumes_.memory_volumes(self->object_)};
    auto started = co_await Sandbox::start(self->node_, std::move(order));
    if (started) {
      self->sandbox_ = std::move(*started);
      self->listen_to_sandbox();
      self->account_.address = self->sandbox_->address();
      self->account_.sandbox = true;
      self->failures_ = 0;
      self->refresh_volumes();  // some tell the pod's address
      co_return true;
    }
    done = std::unexpected(std::move(started.error()));
  }
  // Soon at first: what is missing is often on its way.
  auto delay = std::min(milliseconds(50) * (1 << std::min(self->failures_, 8)), milliseconds(10'000));
  if (self->failures_++ >= 3) self->event(EventRecorder::Type::Warning, reason, done.error().message);
  self->arm(net::Clock::now() + delay);
  co_return false;
}

void Pod::on_sandbox_died() {
  if (gone_ || !account_.final_phase.empty()) return;
  base::log::warn("pod {}/{}: its shim ended", object_.ns(), object_.name());
  auto ended = std::exchange(sandbox_, nullptr);
  node_.loop.post([ended] {});  // its own call is what runs
  doors_.clear();
  account_.sandbox = false;
  account_.initialized = false;
  stopping_sidecars_ = false;
  event(EventRecorder::Type::Normal, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
  for (size_t i = 0; i < account_.containers.size(); i++) {
    ContainerAccount& container = account_.containers[i];
    if (container.phase == Phase::Running)
      on_exited({.container = container.name,
                 .attempt = container.attempt,
                 .code = 137,
                 .started_ms = container.started_ms,
                 .finished_ms = now_ms()});
    if (container.role == Role::Init) container.phase = Phase::Waiting;
  }
  ring();
}

void Pod::refresh_volumes() {
  if (!account_.final_phase.empty() || gone_ || !sandbox_) return;
  if (auto prepared = volumes_.prepare(facts()); !prepared) base::log::debug("{}", prepared.error().message);
}

// Whether there is something new to write.
bool Pod::note_status() {
  if (settled_) return false;
  base::Json status = status_of(object_, account_, node_.ip);
  if (status == published_) return false;
  published_ = status;
  to_write_ = std::move(status);
  return true;
}

void Pod::publish() {
  if (note_status() && !writing_) net::spawn(write_status(shared_from_this()));
}

net::Task<void> Pod::write_status(Self self) {
  self->writing_ = true;
  while (!self->to_write_.is_null() && !self->gone_) {
    objects::Object object(base::Json{
        {"apiVersion", "v1"},
        {"kind", "Pod"},
        {"metadata", {{"name", self->object_.name()}, {"namespace", self->object_.ns()}, {"uid", self->object_.uid()}}},
        {"status", std::exchange(self->to_write_, nullptr)}});
    auto written = co_await self->node_.api.update_status(kPods, std::move(object));
    if (!written && written.error().code != 404)
      base::log::warn("status of pod {}/{}: {}", self->object_.ns(), self->object_.name(), written.error().message);
  }
  self->writing_ = false;
}

}  // namespace localkube
