// SPDX-License-Identifier: Apache-2.0
#include "localkube/runtime/pod_account.h"

#include <algorithm>

#include "localkube/fields.h"

namespace localkube {

using Role = ContainerAccount::Role;
using Phase = ContainerAccount::Phase;
using std::chrono::seconds;

static constexpr seconds kFirstBackOff{10};
static constexpr seconds kMostBackOff{300};
static constexpr int64_t kLongLifeMs = 600'000;  // after which a container starts with a clean slate

PodAccount account_of(const objects::Object& pod) {
  PodAccount account;
  account.restart_policy = string_at(pod.spec(), "restartPolicy");
  for (const char* list : {"initContainers", "containers"}) {
    bool init = std::string_view(list) == "initContainers";
    for (const base::Json& spec : items(pod.spec(), list)) {
      bool sidecar = init && base::text(spec, "restartPolicy") == "Always";
      ContainerAccount container;
      container.role = sidecar ? Role::Sidecar : init ? Role::Init : Role::Main;
      container.name = string_at(spec, "name");
      container.spec = spec;
      account.containers.push_back(std::move(container));
    }
  }
  for (const base::Json& condition : items(pod.status(), "conditions"))
    account.conditions[string_at(condition, "type")] = {string_at(condition, "status"),
                                                        string_at(condition, "lastTransitionTime")};
  account.start_time = string_at(pod.status(), "startTime");
  return account;
}

static bool starts_again(const PodAccount& account, const ContainerAccount& container) {
  if (container.role == Role::Sidecar) return true;
  if (account.restart_policy == "Never") return false;
  if (container.role == Role::Init || account.restart_policy == "OnFailure") return container.code != 0;
  return true;
}

namespace {

// One pass over the containers, gathering what follows.
class Pass {
 public:
  Pass(const PodAccount& account, net::Clock::time_point now) : account_(account), now_(now) {}

  Decision run() {
    bool through = true;
    for (size_t i = 0; i < account_.containers.size() && through; i++)
      if (account_.containers[i].role != Role::Main) through = init(i);
    if (through) mains();
    return std::move(decision_);
  }

 private:
  void start(size_t i) {
    const ContainerAccount& container = account_.containers[i];
    if (container.not_before <= now_)
      decision_.start.push_back(i);
    else if (!decision_.look_again || container.not_before < *decision_.look_again)
      decision_.look_again = container.not_before;
  }

  void finish(const char* phase) {
    bool running = std::any_of(account_.containers.begin(), account_.containers.end(),
                               [](const ContainerAccount& c) { return c.phase == Phase::Running; });
    decision_.start.clear();
    decision_.look_again.reset();
    decision_.stop_sidecars = running;
    if (!running) decision_.final_phase = phase;
  }

  // Whether what comes after this init container may go on.
  bool init(size_t i) {
    const ContainerAccount& container = account_.containers[i];
    if (container.role == Role::Sidecar) {
      if (container.phase != Phase::Running) start(i);
      return account_.initialized || (container.phase == Phase::Running && container.started);
    }
    if (account_.initialized || (container.phase == Phase::Exited && container.code == 0)) return true;
    if (container.phase == Phase::Running) return false;
    if (container.phase == Phase::Exited && !starts_again(account_, container)) {
      finish("Failed");
      return false;
    }
    start(i);
    return false;
  }

  void mains() {
    bool all_done = true, failed = false;
    for (size_t i = 0; i < account_.containers.size(); i++) {
      const ContainerAccount& container = account_.containers[i];
      if (container.role != Role::Main) continue;
      bool done = container.phase == Phase::Exited && !starts_again(account_, container);
      failed |= done && container.code != 0;
      all_done &= done;
      if (!done && container.phase != Phase::Running) start(i);
    }
    if (all_done) finish(failed ? "Failed" : "Succeeded");
  }

  const PodAccount& account_;
  net::Clock::time_point now_;
  Decision decision_;
};

}  // namespace

Decision decide(const PodAccount& account, net::Clock::time_point now) { return Pass(account, now).run(); }

bool has_ended(const ContainerAccount& container) {
  return container.phase == Phase::Exited && container.ended_attempt == container.attempt;
}

void note_exit(PodAccount& account, ContainerAccount& container, const Exit& exit, net::Clock::time_point now) {
  container.phase = Phase::Exited;
  container.ended_attempt = container.attempt;
  container.code = exit.code;
  container.finished_ms = exit.finished_ms;
  container.reason = !exit.reason.empty() ? exit.reason : exit.code == 0 ? "Completed" : "Error";
  container.message = exit.message;
  container.started = container.ready = false;
  if (!starts_again(account, container)) return;
  if (exit.finished_ms - container.started_ms > kLongLifeMs) container.back_off = seconds(0);
  // The first restart comes at once, the second after ten seconds, then twice as late each time.
  bool first = container.attempt == 0 || (container.back_off.count() == 0 && container.last.is_null());
  container.not_before = first ? now : now + std::max(container.back_off, kFirstBackOff);
  container.back_off = first ? seconds(0) : std::min(std::max(container.back_off, kFirstBackOff) * 2, kMostBackOff);
}

}  // namespace localkube
