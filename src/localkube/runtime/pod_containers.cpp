// SPDX-License-Identifier: Apache-2.0
#include <signal.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/log.h"
#include "localkube/fields.h"
#include "localkube/process/files.h"
#include "localkube/runtime/log_reader.h"
#include "localkube/runtime/pod.h"
#include "localkube/shim/container.h"

namespace localkube {

using Role = ContainerAccount::Role;
using Phase = ContainerAccount::Phase;
using Type = EventRecorder::Type;
using std::chrono::milliseconds;
using std::chrono::seconds;

static const objects::Resource kPods{"", "v1", "pods"};
static constexpr int64_t kMostProcesses = 1024;       // of a container, threads too: a fork bomb ends here
static constexpr size_t kMostMessage = 4096;          // of a container's last words: their end, as a kubelet
static constexpr size_t kMostMessageFile = 1u << 20;  // what is larger is no message

static base::Json last_of(const ContainerAccount& container) {
  base::Json out = {{"exitCode", container.code},
                    {"reason", container.reason},
                    {"startedAt", time_text_of_ms(container.started_ms)},
                    {"finishedAt", time_text_of_ms(container.finished_ms)}};
  if (!container.message.empty()) out["message"] = container.message;
  return out;
}

// ---- starting

// A kubelet looks once a second, so of a command that is over by then it tells the end alone. "kubectl run -i" then
// shows the log; had it seen the container run, it would try to attach and warn that it cannot.
net::Task<void> Pod::exit_or_a_moment(Self self, size_t i) {
  if (has_ended(self->account_.containers[i])) co_return;
  net::Oneshot<bool> over;
  self->watched_[i].exit_waiters.push_back(over);
  net::Timer moment(self->node_.loop, [over] { over.set(false); });
  moment.arm(milliseconds(500));
  (void)co_await over.wait();
}

net::Task<void> Pod::start_container(Self self, size_t i) {
  ContainerAccount& container = self->account_.containers[i];
  bool again = container.ever_started;
  int attempt = again ? container.attempt + 1 : 0;
  auto spec = plan_container(
      self->node_,
      {.facts = self->facts(), .container = container.spec, .volumes = self->volumes_, .attempt = attempt});
  if (!spec) {
    self->cannot_start(i, spec.error());
    co_return;
  }
  std::string image = string_at(container.spec, "image");
  container.image_id = image_name(image).repository;
  if (again && container.phase == Phase::Exited) container.last = last_of(container);
  self->event(Type::Normal, "Pulled", "Container image \"" + image + "\" already present on machine", i);
  self->event(Type::Normal, "Created", "Created container: " + container.name, i);
  container.attempt = attempt;
  container.ever_started = true;
  if (container.role == Role::Main) self->account_.initialized = true;
  int64_t at = now_ms();
  auto sandbox = self->sandbox_;
  spec->cgroups = self->limited(i, attempt);
  auto result = co_await sandbox->start_container(std::move(*spec));
  bool awaits_client = result && truth(container.spec, "stdin");
  if (awaits_client) co_await exit_or_a_moment(self, i);
  self->started(i, result, at);
  const base::Json& hook = fields(container.spec, "lifecycle", "postStart");
  if (!result || hook.empty() || container.phase != Phase::Running) co_return;
  ActionOrder order{.action = hook, .container = container.spec, .timeout = seconds(60)};
  auto hooked = co_await act(self->node_, std::move(sandbox), std::move(order));
  if (hooked) co_return;
  self->event(Type::Warning, "FailedPostStartHook", "PostStartHook failed: " + hooked.error().message, i);
  net::spawn(stop_container(self, i, seconds(2), "FailedPostStartHook"));
}

static std::string group_of(const objects::Object& pod, const ContainerAccount& container, int attempt) {
  return std::string(pod.uid()) + "." + container.name + "." + std::to_string(attempt);
}

// The control groups that hold the container to its limits; none where this
// machine does not let them be enforced, which is told where it has some.
std::vector<std::string> Pod::limited(size_t i, int attempt) {
  const ContainerAccount& container = account_.containers[i];
  auto limit = [&](const char* name) {
    return milli_quantity(string_at(container.spec, "resources", "limits", name)).value_or(0);
  };
  Cgroups::Limits limits{.bytes = limit("memory") / 1000, .milli_cpus = limit("cpu"), .processes = kMostProcesses};
  const Cgroups& cgroups = node_.cgroups;
  auto made = cgroups.make(group_of(object_, container, attempt), limits);
  std::string why = made ? "" : made.error().message;
  if ((limits.bytes > 0 && !cgroups.limits_memory()) || (limits.milli_cpus > 0 && !cgroups.limits_cpu()))
    why = "no control groups can be made here";
  if (!why.empty() && !std::exchange(told_of_limits_, true))
    event(Type::Warning, "LimitsNotEnforced", "limits are not enforced on this machine: " + why, i);
  return made ? std::move(*made) : std::vector<std::string>();
}

void Pod::cannot_start(size_t i, const PlanError& error) {
  ContainerAccount& container = account_.containers[i];
  Watched& watched = watched_[i];
  bool image = error.reason == "ErrImagePull";
  std::string text = string_at(container.spec, "image");
  if (image && !watched.image_failed) {
    event(Type::Normal, "Pulling", "Pulling image \"" + text + "\"", i);
    event(Type::Warning, "Failed", "Failed to pull image \"" + text + "\": " + error.message, i);
  } else if (image) {
    event(Type::Normal, "BackOff", "Back-off pulling image \"" + text + "\"", i);
  } else {
    event(Type::Warning, "Failed", "Error: " + error.message, i);
  }
  container.phase = Phase::Waiting;
  container.reason = image && watched.image_failed ? "ImagePullBackOff" : error.reason;
  container.message =
      image && watched.image_failed ? "Back-off pulling image \"" + text + "\": " + error.message : error.message;
  watched.image_failed = image;
  container.back_off = std::clamp(container.back_off * 2, seconds(1), seconds(image ? 15 : 5));
  container.not_before = net::Clock::now() + container.back_off;
}

void Pod::started(size_t i, const base::Result<void>& result, int64_t at_ms) {
  ContainerAccount& container = account_.containers[i];
  container.started_ms = at_ms;
  if (!result) {
    event(Type::Warning, "Failed",
          "Error: failed to start container \"" + container.name + "\": " + result.error().message, i);
    note_exit(account_, container,
              {.code = 128, .finished_ms = now_ms(), .reason = "StartError", .message = result.error().message},
              net::Clock::now());
    return;
  }
  event(Type::Normal, "Started", "Started container " + container.name, i);
  if (has_ended(container)) return;  // so short a life that its end came first
  container.phase = Phase::Running;
  container.reason.clear();
  container.message.clear();
  watch(i);
}

// ---- probes

void Pod::watch(size_t i) {
  ContainerAccount& container = account_.containers[i];
  Watched& watched = watched_[i];
  bool startup = base::find(container.spec, "startupProbe") != nullptr;
  bool readiness = base::find(container.spec, "readinessProbe") != nullptr;
  // An adopted container keeps its verdicts until a probe says otherwise.
  container.started = container.started || !startup;
  container.ready = container.started && (container.ready || !readiness);
  std::weak_ptr<Pod> weak = weak_from_this();
  auto calls = [&](Prober::Kind kind, const char* what) {
    return Prober::Calls{.changed =
                             [weak, i, kind](bool good) {
                               if (auto self = weak.lock()) self->probed(i, kind, good);
                             },
                         .failed =
                             [weak, i, what](const std::string& why) {
                               if (auto self = weak.lock())
                                 self->event(Type::Warning, "Unhealthy", std::string(what) + " probe failed: " + why,
                                             i);
                             }};
  };
  if (startup && !container.started) {
    watched.startup = std::make_unique<Prober>(node_, sandbox_, Prober::Kind::Startup, container.spec,
                                               calls(Prober::Kind::Startup, "Startup"));
    return;
  }
  if (base::find(container.spec, "livenessProbe"))
    watched.liveness = std::make_unique<Prober>(node_, sandbox_, Prober::Kind::Liveness, container.spec,
                                                calls(Prober::Kind::Liveness, "Liveness"));
  if (readiness)
    watched.readiness = std::make_unique<Prober>(node_, sandbox_, Prober::Kind::Readiness, container.spec,
                                                 calls(Prober::Kind::Readiness, "Readiness"));
}

void Pod::probed(size_t i, Prober::Kind kind, bool good) {
  ContainerAccount& container = account_.containers[i];
  if (container.phase != Phase::Running) return;
  if (kind == Prober::Kind::Readiness) {
    container.ready = good;
  } else if (!good) {
    std::string which = kind == Prober::Kind::Startup ? "startup" : "liveness";
    std::string why = "Container " + container.name + " failed " + which + " probe, will be restarted";
    auto grace = seconds(number_or(object_.spec(), 30, "terminationGracePeriodSeconds"));
    net::spawn(stop_container(shared_from_this(), i, grace, why));
  } else if (kind == Prober::Kind::Startup && !container.started) {
    container.started = true;
    watch(i);
  }
  publish();
  ring();
}

// ---- ending

// What has just died may still be on its way out.
static net::Task<void> remove_group(Node& node, std::string group) {
  for (int patience = 50; patience > 0 && !node.cgroups.remove(group); --patience)
    co_await net::sleep(node.loop, milliseconds(100));
}

// Kubernetes' name for an end by the kernel, for want of memory; else empty.
std::string Pod::end_reason(const ContainerAccount& container, int code) {
  std::string group = group_of(object_, container, container.attempt);
  bool killed = code != 0 && node_.cgroups.ran_out_of_memory(group);
  net::spawn(remove_group(node_, std::move(group)));
  return killed ? "OOMKilled" : "";
}

std::string Pod::last_words(const ContainerAccount& container, int code) const {
  std::string file = pod_directory(object_.uid()) + "/containers/" + container.name + "/message";
  auto text = base::read_file(file, kMostMessageFile);
  if (text && !text->empty()) return text->substr(text->size() - std::min(text->size(), kMostMessage));
  if (code == 0 || base::text(container.spec, "terminationMessagePolicy") != "FallbackToLogsOnError") return {};
  return tail_of_log(log_path(object_, container.name, container.attempt), 80, 2048);
}

void Pod::on_exited(const Sandbox::State& state) {
  for (size_t i = 0; i < account_.containers.size(); i++) {
    ContainerAccount& container = account_.containers[i];
    if (container.name != state.container || container.attempt != state.attempt) continue;
    Watched& watched = watched_[i];
    // A prober's own call may be what runs.
    auto probers = std::make_shared<Watched>();
    probers->startup = std::move(watched.startup);
    probers->liveness = std::move(watched.liveness);
    probers->readiness = std::move(watched.readiness);
    node_.loop.post([probers] {});
    container.started_ms = state.started_ms;
    note_exit(account_, container,
              {.code = state.code,
               .finished_ms = state.finished_ms,
               .reason = end_reason(container, state.code),
               .message = last_words(container, state.code)},
              net::Clock::now());
    if (container.not_before > net::Clock::now() && !object_.deleting())
      event(Type::Warning, "BackOff",
            "Back-off restarting failed container " + container.name + " in pod " + std::string(object_.name()) + "_" +
                std::string(object_.ns()) + "(" + std::string(object_.uid()) + ")",
            i);
    watched.stopping = false;
    for (auto& waiter : std::exchange(watched.exit_waiters, {})) waiter.set(true);
  }
  ring();
}

net::Task<void> Pod::kill_after(Self self, size_t i, int attempt, milliseconds delay) {
  co_await net::sleep(self->node_.loop, delay);
  const ContainerAccount& container = self->account_.containers[i];
  if (self->sandbox_ && container.phase == Phase::Running && container.attempt == attempt)
    self->sandbox_->signal(container.name, SIGKILL);
}

net::Task<void> Pod::stop_container(Self self, size_t i, seconds grace, std::string why) {
  ContainerAccount& container = self->account_.containers[i];
  Watched& watched = self->watched_[i];
  auto sandbox = self->sandbox_;
  if (container.phase != Phase::Running || !sandbox) co_return;
  net::Oneshot<bool> exited;
  watched.exit_waiters.push_back(exited);
  if (!std::exchange(watched.stopping, true)) {
    int attempt = container.attempt;
    self->event(Type::Normal, "Killing", why.empty() ? "Stopping container " + container.name : why, i);
    // The hook's time counts as part of the grace.
    net::spawn(kill_after(self, i, attempt, grace));
    const base::Json& hook = fields(container.spec, "lifecycle", "preStop");
    if (!hook.empty() && grace.count() > 0) {
      ActionOrder order{.action = hook, .container = container.spec, .timeout = grace};
      auto hooked = co_await act(self->node_, sandbox, std::move(order));
      if (!hooked) self->event(Type::Warning, "FailedPreStopHook", "PreStopHook failed: " + hooked.error().message, i);
    }
    if (container.phase == Phase::Running && container.attempt == attempt) sandbox->signal(container.name, SIGTERM);
  }
  (void)co_await exited.wait();
}

// The application first, then its sidecars, the last started first.
net::Task<void> Pod::stop_all(Self self, seconds grace) {
  auto deadline = net::Clock::now() + grace;
  auto& containers = self->account_.containers;
  for (size_t i = 0; i < containers.size(); i++)
    if (containers[i].role != Role::Sidecar) net::spawn(stop_container(self, i, grace, {}));
  for (size_t i = containers.size(); i-- > 0;) {
    if (containers[i].role == Role::Sidecar) continue;
    co_await stop_container(self, i, grace, {});
  }
  for (size_t i = containers.size(); i-- > 0;) {
    if (containers[i].role != Role::Sidecar) continue;
    auto left = std::chrono::ceil<seconds>(deadline - net::Clock::now());
    co_await stop_container(self, i, std::max(left, seconds(2)), {});
  }
}

net::Task<void> Pod::end(Self self) {
  if (!self->gone_ && self->sandbox_) {
    int64_t grace = number_or(self->object_.json(), 30, "metadata", "deletionGracePeriodSeconds");
    co_await stop_all(self, seconds(grace));
    self->publish();
  }
  self->doors_.clear();
  if (auto sandbox = std::exchange(self->sandbox_, nullptr)) co_await sandbox->end();
  for (const ContainerAccount& container : self->account_.containers)
    net::spawn(remove_group(self->node_, group_of(self->object_, container, container.attempt)));
  std::string ns(self->object_.ns()), name(self->object_.name()), uid(self->object_.uid());
  auto present = self->node_.api.get(kPods, ns, name);
  if (!self->gone_ && present && present->uid() == uid) {
    auto removed = co_await self->node_.api.remove(kPods, ns, name, 0);
    if (!removed && removed.error().code != 404) base::log::warn("pod {}/{}: {}", ns, name, removed.error().message);
  }
  self->gone_ = true;
  std::error_code error;
  std::filesystem::remove_all(pod_directory(uid), error);
  std::filesystem::remove_all(log_directory(self->object_), error);
  self->over_();
}

}  // namespace localkube
