// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/kinds/pod.h"

#include <map>

#include "base/strings.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/kinds/kinds.h"

namespace localkube {

namespace {

bool has_condition(const Json& pod, std::string_view type) {
  for (const Json& condition : items(pod, "status", "conditions"))
    if (base::text(condition, "type") == type) return base::text(condition, "status") == "True";
  return false;
}

std::string end_text(const Json& terminated) {
  std::string reason = string_at(terminated, "reason");
  if (!reason.empty()) return reason;
  if (int64_t signal = number(terminated, "signal")) return "Signal:" + std::to_string(signal);
  return "ExitCode:" + std::to_string(number(terminated, "exitCode"));
}

// Restarts of containers and when the last of them was.
struct Restarts {
  int64_t count = 0;
  std::string last;
  void add(const Json& status) {
    count += number(status, "restartCount");
    std::string ended = string_at(status, "lastState", "terminated", "finishedAt");
    if (ended > last) last = ended;
  }
  std::string text() const {
    if (count == 0 || last.empty()) return std::to_string(count);
    return std::to_string(count) + " (" + age_text(last) + " ago)";
  }
};

bool is_sidecar(const Json& pod, std::string_view name) {
  for (const Json& container : items(pod, "spec", "initContainers"))
    if (base::text(container, "name") == name) return base::text(container, "restartPolicy") == "Always";
  return false;
}

// The first init container that is not done says what the pod waits for;
// empty where none does. Started sidecars count as ready containers.
std::string init_status(const Json& pod, PodSummary& summary, Restarts& restarts, Restarts& sidecar_restarts) {
  size_t i = 0;
  for (const Json& status : items(pod, "status", "initContainerStatuses")) {
    bool sidecar = is_sidecar(pod, base::text(status, "name"));
    restarts.add(status);
    if (sidecar) sidecar_restarts.add(status);
    const Json* terminated = base::find(status, "state", "terminated");
    std::string waiting = string_at(status, "state", "waiting", "reason");
    if (terminated && number(*terminated, "exitCode") == 0) {
      ++i;
      continue;
    }
    if (sidecar && truth(status, "started")) {
      if (truth(status, "ready")) ++summary.ready;
      ++i;
      continue;
    }
    if (terminated) return "Init:" + end_text(*terminated);
    if (!waiting.empty() && waiting != "PodInitializing") return "Init:" + waiting;
    return "Init:" + std::to_string(i) + "/" + std::to_string(items(pod, "spec", "initContainers").size());
  }
  return {};
}

void pod_defaults(Json& pod) {
  Json& spec = pod["spec"];
  default_pod_spec(spec);
  set_default(spec, "enableServiceLinks", true);
  Json* status = at(pod, "status");
  if (!status) return;
  std::string address = string_at(*status, "podIP");
  if (!address.empty()) set_default(*status, "podIPs", Json::array({{{"ip", address}}}));
}

void prepare_create(Json& pod) { pod["status"] = {{"phase", "Pending"}, {"qosClass", qos_class(pod["spec"])}}; }

void prepare_status(Json& pod, const Json& old) {
  std::string quality = string_at(old, "status", "qosClass");
  if (!quality.empty() && pod["status"].is_object()) set_default(pod["status"], "qosClass", quality);
}

void validate(const Json& pod, Problems& problems) {
  static const Json none = Json::object();
  const Json* spec = base::find(pod, "spec");
  validate_pod_spec(spec ? *spec : none, "spec", problems);
}

void validate_create(const Json& pod, Problems& problems) {
  if (!items(pod, "spec", "ephemeralContainers").empty())
    problems.forbidden("spec.ephemeralContainers", "cannot be set on create");
}

// The spec without what may be changed.
Json fixed_part(const Json& pod) {
  Json spec = pod.value("spec", Json::object());
  for (const char* list : {"containers", "initContainers"})
    each_item(spec, [](Json& container) { container.erase("image"); }, list);
  for (const char* free : {"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"}) spec.erase(free);
  return spec;
}

void validate_update(const Json& pod, const Json& old, Problems& problems) {
  Json before = fixed_part(old), after = fixed_part(pod);
  if (base::text(before, "nodeName").empty()) {  // a pod may be bound once
    before.erase("nodeName");
    after.erase("nodeName");
  }
  if (before == after) return;
  problems.forbidden(
      "spec",
      "pod updates may not change fields other than `spec.containers[*].image`,"
      "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
      "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
      "previously negative)\n");
}

std::vector<Json> cells(const Json& pod) {
  PodSummary summary = summary_of_pod(pod);
  auto or_none = [&](std::string text) { return text.empty() ? std::string("<none>") : text; };
  std::string gates = "<none>";
  if (const Json& wanted = items(pod, "spec", "readinessGates"); !wanted.empty()) {
    int64_t fulfilled = 0;
    for (const Json& gate : wanted) fulfilled += has_condition(pod, base::text(gate, "conditionType")) ? 1 : 0;
    gates = std::to_string(fulfilled) + "/" + std::to_string(wanted.size());
  }
  return {std::to_string(summary.ready) + "/" + std::to_string(summary.total),
          summary.status,
          summary.restarts,
          age_of(pod),
          or_none(string_at(pod, "status", "podIP")),
          or_none(string_at(pod, "spec", "nodeName")),
          or_none(string_at(pod, "status", "nominatedNodeName")),
          gates};
}

}  // namespace

PodSummary summary_of_pod(const Json& pod) {
  PodSummary summary;
  summary.total = static_cast<int>(items(pod, "spec", "containers").size());
  for (const Json& container : items(pod, "spec", "initContainers"))
    if (base::text(container, "restartPolicy") == "Always") ++summary.total;

  std::string phase = string_at(pod, "status", "phase"), reason = string_at(pod, "status", "reason");
  summary.status = reason.empty() ? phase : reason;
  Restarts restarts, sidecar_restarts;
  std::string init = init_status(pod, summary, restarts, sidecar_restarts);
  if (!init.empty()) summary.status = init;
  if (init.empty() || has_condition(pod, "Initialized")) {
    restarts = sidecar_restarts;
    bool running = false;
    const Json& statuses = items(pod, "status", "containerStatuses");
    for (auto it = statuses.rbegin(); it != statuses.rend(); ++it) {
      restarts.add(*it);
      std::string waiting = string_at(*it, "state", "waiting", "reason");
      if (!waiting.empty()) {
        summary.status = waiting;
      } else if (const Json* terminated = base::find(*it, "state", "terminated")) {
        summary.status = end_text(*terminated);
      } else if (truth(*it, "ready") && base::find(*it, "state", "running")) {
        running = true;
        ++summary.ready;
      }
    }
    if (summary.status == "Completed" && running) summary.status = has_condition(pod, "Ready") ? "Running" : "NotReady";
  }
  if (base::find(pod, "metadata", "deletionTimestamp")) {
    if (reason == "NodeLost")
      summary.status = "Unknown";
    else if (phase != "Succeeded" && phase != "Failed")
      summary.status = "Terminating";
  }
  summary.restarts = restarts.text();
  return summary;
}

KindRow pods() {
  return {.group = "",
          .versions = {"v1"},
          .kind = "Pod",
          .plural = "pods",
          .singular = "pod",
          .short_names = {"po"},
          .categories = {"all"},
          .has_status = true,
          .counts_generations = true,
          .returns_deleted = true,
          .columns = {{"Ready"},
                      {"Status"},
                      {"Restarts"},
                      {"Age"},
                      {"IP", "string", "", 1},
                      {"Node", "string", "", 1},
                      {"Nominated Node", "string", "", 1},
                      {"Readiness Gates", "string", "", 1}},
          .rules = {.defaults = pod_defaults,
                    .prepare_create = prepare_create,
                    .prepare_status = prepare_status,
                    .validate = validate,
                    .validate_create = validate_create,
                    .validate_update = validate_update,
                    .cells = cells,
                    .selectable = {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName",
                                   "spec.serviceAccountName", "spec.hostNetwork", "status.phase", "status.podIP",
                                   "status.podIPs", "status.nominatedNodeName"}}};
}

}  // namespace localkube
