// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "localkube/fields.h"
#include "localkube/runtime/pod_account.h"

namespace localkube {
namespace {

using Role = ContainerAccount::Role;
using Phase = ContainerAccount::Phase;

base::Json terminated(const ContainerAccount& container, const std::string& id) {
  base::Json out = {{"exitCode", container.code},
                    {"reason", container.reason},
                    {"startedAt", time_text_of_ms(container.started_ms)},
                    {"finishedAt", time_text_of_ms(container.finished_ms)},
                    {"containerID", id}};
  if (!container.message.empty()) out["message"] = container.message;
  return out;
}

std::string id_of(const objects::Object& pod, const ContainerAccount& container, int attempt) {
  return "localkube://" + std::string(pod.uid()) + "/" + container.name + "/" + std::to_string(attempt);
}

base::Json waiting(const objects::Object& pod, const PodAccount& account, const ContainerAccount& container) {
  base::Json out;
  out["reason"] = container.reason;
  if (container.phase == Phase::Exited) {
    out["reason"] = "CrashLoopBackOff";
    out["message"] = "back-off restarting failed container=" + container.name + " pod=" + std::string(pod.name()) +
                     "_" + std::string(pod.ns()) + "(" + std::string(pod.uid()) + ")";
    return out;
  }
  if (container.reason.empty()) {
    bool inits = std::any_of(account.containers.begin(), account.containers.end(),
                             [](const ContainerAccount& c) { return c.role != Role::Main; });
    bool held = container.role == Role::Main ? inits && !account.initialized : true;
    out["reason"] = held ? "PodInitializing" : "ContainerCreating";
  }
  if (!container.message.empty()) out["message"] = container.message;
  return out;
}

base::Json container_status(const objects::Object& pod, const PodAccount& account, const ContainerAccount& container) {
  base::Json state, last = base::Json::object();
  if (!container.last.is_null()) last["terminated"] = container.last;
  std::string id = container.ever_started ? id_of(pod, container, container.attempt) : "";
  // A container that waits for its next start shows why, and its end as the last one.
  bool backs_off =
      container.phase == Phase::Exited && account.final_phase.empty() && container.not_before > net::Clock::now();
  if (container.phase == Phase::Running) {
    state["running"] = {{"startedAt", time_text_of_ms(container.started_ms)}};
  } else if (container.phase == Phase::Waiting || backs_off) {
    state["waiting"] = waiting(pod, account, container);
    if (backs_off) last["terminated"] = terminated(container, id);
  } else {
    state["terminated"] = terminated(container, id);
  }
  bool done_init = container.role == Role::Init && container.phase == Phase::Exited && container.code == 0;
  return {{"name", container.name},
          {"state", std::move(state)},
          {"lastState", std::move(last)},
          {"ready", container.ready || done_init},
          {"restartCount", container.attempt},
          {"image", string_at(container.spec, "image")},
          {"imageID", container.image_id},
          {"containerID", id},
          {"started", container.phase == Phase::Running && container.started}};
}

class Conditions {
 public:
  explicit Conditions(PodAccount& account) : account_(account) {}

  void set(const std::string& type, bool good, const std::string& reason = {}, const std::string& message = {}) {
    auto& [status, since] = account_.conditions[type];
    std::string now = good ? "True" : "False";
    if (status != now || since.empty()) since = now_text();
    status = now;
    base::Json condition = {
        {"type", type}, {"status", status}, {"lastProbeTime", nullptr}, {"lastTransitionTime", since}};
    if (!good && !reason.empty()) condition["reason"] = reason;
    if (!good && !message.empty()) condition["message"] = message;
    list.push_back(std::move(condition));
  }
  base::Json list = base::Json::array();

 private:
  PodAccount& account_;
};

std::string names_text(const std::vector<std::string>& names) {
  std::string out = "[";
  for (const std::string& name : names) out += (out.size() > 1 ? " " : "") + name;
  return out + "]";
}

base::Json conditions(const objects::Object& pod, PodAccount& account) {
  std::vector<std::string> unready, uninitialized;
  for (const ContainerAccount& container : account.containers) {
    bool counts = container.role != Role::Init;
    if (counts && !container.ready) unready.push_back(container.name);
    bool done = container.role == Role::Init ? container.phase == Phase::Exited && container.code == 0
                                             : container.phase == Phase::Running && container.started;
    if (container.role != Role::Main && !done) uninitialized.push_back(container.name);
  }
  bool initialized = account.initialized || uninitialized.empty();
  bool completed = account.final_phase == "Succeeded";
  std::string why = completed ? "PodCompleted" : account.final_phase == "Failed" ? "PodFailed" : "ContainersNotReady";
  std::string which = completed ? "" : "containers with unready status: " + names_text(unready);
  bool gates = true;
  Conditions out(account);
  for (const base::Json& gate : items(pod.spec(), "readinessGates")) {
    std::string type = string_at(gate, "conditionType");
    bool good = false;
    for (const base::Json& condition : items(pod.status(), "conditions"))
      if (base::text(condition, "type") == type) {
        good = base::text(condition, "status") == "True";
        out.list.push_back(condition);  // another's to set
      }
    gates &= good;
  }
  bool ready = unready.empty() && account.final_phase.empty();
  out.set("PodReadyToStartContainers", account.sandbox);
  out.set("Initialized", initialized, "ContainersNotInitialized",
          "containers with incomplete status: " + names_text(uninitialized));
  out.set("Ready", ready && gates, ready ? "ReadinessGatesNotReady" : why, ready ? "" : which);
  out.set("ContainersReady", ready, why, which);
  out.set("PodScheduled", true);
  return out.list;
}

std::string phase_of(const PodAccount& account) {
  if (!account.final_phase.empty()) return account.final_phase;
  for (const ContainerAccount& container : account.containers)
    if (container.role == Role::Main && container.ever_started) return "Running";
  return "Pending";
}

}  // namespace

std::string time_text_of_ms(int64_t ms) { return time_text(ms / 1000); }

base::Json status_of(const objects::Object& pod, PodAccount& account, std::string_view host_ip) {
  if (account.start_time.empty()) account.start_time = now_text();
  base::Json inits = base::Json::array(), mains = base::Json::array();
  for (const ContainerAccount& container : account.containers)
    (container.role == Role::Main ? mains : inits).push_back(container_status(pod, account, container));
  base::Json status = {{"phase", phase_of(account)},
                       {"conditions", conditions(pod, account)},
                       {"hostIP", host_ip},
                       {"hostIPs", base::Json::array({{{"ip", host_ip}}})},
                       {"startTime", account.start_time},
                       {"containerStatuses", std::move(mains)},
                       {"qosClass", string_at(pod.status(), "qosClass")}};
  if (!inits.empty()) status["initContainerStatuses"] = std::move(inits);
  if (!account.reason.empty()) status["reason"] = account.reason;
  if (!account.message.empty()) status["message"] = account.message;
  if (!account.address.empty()) {
    status["podIP"] = account.address;
    status["podIPs"] = base::Json::array({{{"ip", account.address}}});
  }
  return status;
}

}  // namespace localkube
