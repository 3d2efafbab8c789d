// SPDX-License-Identifier: Apache-2.0
#include "localkube/controllers/scheduler.h"

#include "localkube/fields.h"

namespace localkube {

Scheduler::Scheduler(Cluster& cluster, std::string node)
    : cluster_(cluster),
      node_(std::move(node)),
      queue_(cluster.loop, [this](std::string key) { return bind(this, std::move(key)); }) {
  pods_ = cluster_.api.watch(kinds::kPods, [this](const Change& change) {
    const objects::Object& pod = change.object;
    bool pending =
        base::text(pod.spec(), "nodeName").empty() && !pod.deleting() && change.type != Change::Type::Deleted;
    if (pending && change.type == Change::Type::Added) queue_.add(key_of(pod.ns(), pod.name()));
  });
}

static std::string why_not(const objects::Object& pod, const objects::Object& node) {
  for (const auto& [key, value] : fields(pod.spec(), "nodeSelector").items())
    if (!value.is_string() || node.label(key) != value.get<std::string>())
      return "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.";
  if (!items(pod.spec(), "schedulingGates").empty()) return "Scheduling is blocked due to non-empty scheduling gates";
  return {};
}

net::Task<bool> Scheduler::bind(Scheduler* self, std::string key) {
  auto [ns, name] = names_of_key(key);
  auto pod = self->cluster_.api.get(kinds::kPods, ns, name);
  auto node = self->cluster_.api.get(kinds::kNodes, {}, self->node_);
  if (!pod || pod->deleting() || !base::text(pod->spec(), "nodeName").empty()) co_return true;
  if (!node) co_return false;
  std::string why = why_not(*pod, *node);
  if (!why.empty()) {
    bool done = co_await leave_pending(self, std::move(*pod), std::move(why));
    co_return done;
  }
  base::Json patch = {{"spec", {{"nodeName", self->node_}}}};
  auto bound = co_await self->cluster_.api.patch(kinds::kPods, ns, name, PatchType::Merge, std::move(patch), "binding");
  if (!bound) co_return bound.error().code == 404;
  self->cluster_.events.record(*bound, {.reason = "Scheduled",
                                        .message = "Successfully assigned " + ns + "/" + name + " to " + self->node_,
                                        .component = "default-scheduler"});
  co_return true;
}

net::Task<bool> Scheduler::leave_pending(Scheduler* self, objects::Object pod, std::string why) {
  self->cluster_.events.record(pod, {.type = EventRecorder::Type::Warning,
                                     .reason = "FailedScheduling",
                                     .message = why,
                                     .component = "default-scheduler"});
  base::Json before = pod.status().value("conditions", base::Json::array()), conditions = before;
  set_condition(conditions, {.type = "PodScheduled", .good = false, .reason = "Unschedulable", .message = why});
  if (conditions == before) co_return true;
  pod.json()["status"]["conditions"] = std::move(conditions);
  pod.json()["metadata"].erase("resourceVersion");
  auto written = co_await self->cluster_.api.update_status(kinds::kPods, std::move(pod));
  co_return written.has_value();
}

}  // namespace localkube
