// SPDX-License-Identifier: Apache-2.0
#include "localkube/controllers/replica_sets.h"

#include <algorithm>

#include "localkube/fields.h"

namespace localkube {

static constexpr int64_t kMostAtOnce = 500;

ReplicaSets::ReplicaSets(Cluster& cluster)
    : cluster_(cluster), queue_(cluster.loop, [this](std::string key) { return reconcile(this, std::move(key)); }) {
  watches_.push_back(cluster_.api.watch(kinds::kReplicaSets, [this](const Change& change) {
    queue_.add(key_of(change.object.ns(), change.object.name()));
  }));
  watches_.push_back(cluster_.api.watch(kinds::kPods, [this](const Change& change) { on_pod(change); }));
}

void ReplicaSets::on_pod(const Change& change) {
  const objects::Object& pod = change.object;
  if (const base::Json* owner = controller_of(pod)) {
    if (base::text(*owner, "kind") == "ReplicaSet") queue_.add(key_of(pod.ns(), base::text(*owner, "name")));
    return;
  }
  if (change.type == Change::Type::Deleted) return;
  for (const objects::Object& set : cluster_.api.list(kinds::kReplicaSets, pod.ns()))
    if (LabelSelector::of(set.spec().value("selector", base::Json::object())).matches(pod.json()))
      queue_.add(key_of(set.ns(), set.name()));
}

// The earlier, the sooner it goes: not running, not ready, then the youngest.
static bool goes_before(const objects::Object& a, const objects::Object& b) {
  auto rank = [](const objects::Object& pod) {
    return std::tuple(pod_ready(pod), base::text(pod.status(), "phase") == "Running");
  };
  if (rank(a) != rank(b)) return rank(a) < rank(b);
  return a.creation_timestamp() > b.creation_timestamp();
}

net::Task<bool> ReplicaSets::reconcile(ReplicaSets* self, std::string key) {
  auto [ns, name] = names_of_key(key);
  auto set = self->cluster_.api.get(kinds::kReplicaSets, ns, name);
  if (!set) co_return true;
  bool done = true;
  if (!set->deleting()) {
    done = co_await adopt(self, *set);
    std::vector<objects::Object> active;
    for (objects::Object& pod : owned_by(self->cluster_.api, kinds::kPods, *set))
      if (!pod.deleting() && !pod_ended(pod)) active.push_back(std::move(pod));
    int64_t missing = number(set->spec(), "replicas") - static_cast<int64_t>(active.size());
    if (missing > 0) done = co_await make_pods(self, *set, std::min(missing, kMostAtOnce));
    if (missing < 0) {
      std::sort(active.begin(), active.end(), goes_before);
      active.resize(static_cast<size_t>(-missing));
      done = co_await remove_pods(self, *set, std::move(active));
    }
  }
  bool written = co_await write_status(self, std::move(*set));
  co_return done&& written;
}

net::Task<bool> ReplicaSets::adopt(ReplicaSets* self, objects::Object set) {
  LabelSelector selector = LabelSelector::of(set.spec().value("selector", base::Json::object()));
  for (objects::Object& pod : self->cluster_.api.list(kinds::kPods, set.ns())) {
    if (controller_of(pod) || pod.deleting() || pod_ended(pod) || !selector.matches(pod.json())) continue;
    base::Json owners = items(pod.json(), "metadata", "ownerReferences");
    owners.push_back(controller_reference(set));
    base::Json patch = {{"metadata", {{"uid", pod.uid()}, {"ownerReferences", std::move(owners)}}}};
    std::string ns(pod.ns()), name(pod.name());
    auto adopted = co_await self->cluster_.api.patch(kinds::kPods, ns, name, PatchType::Merge, std::move(patch));
    if (!adopted && adopted.error().code != 404) co_return false;
  }
  co_return true;
}

static objects::Object pod_of(const objects::Object& set) {
  const base::Json& pattern = fields(set.spec(), "template");
  base::Json metadata = {{"generateName", std::string(set.name()) + "-"},
                         {"namespace", set.ns()},
                         {"ownerReferences", base::Json::array({controller_reference(set)})}};
  for (const char* key : {"labels", "annotations", "finalizers"})
    if (const base::Json* value = base::find(pattern, "metadata", key)) metadata[key] = *value;
  return objects::Object(base::Json{
      {"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", std::move(metadata)}, {"spec", fields(pattern, "spec")}});
}

net::Task<void> ReplicaSets::make_pod(ReplicaSets* self, objects::Object set, net::Queue<bool> done) {
  auto made = co_await self->cluster_.api.create(kinds::kPods, pod_of(set));
  if (made)
    self->cluster_.events.record(set, {.reason = "SuccessfulCreate",
                                       .message = "Created pod: " + std::string(made->name()),
                                       .component = "replicaset-controller"});
  else
    self->cluster_.events.record(set, {.type = EventRecorder::Type::Warning,
                                       .reason = "FailedCreate",
                                       .message = "Error creating: " + made.error().message,
                                       .component = "replicaset-controller"});
  done.push(made.has_value());
}

// All at once: each waits for its webhooks and its place on the disk.
net::Task<bool> ReplicaSets::make_pods(ReplicaSets* self, objects::Object set, int64_t count) {
  net::Queue<bool> done;
  for (int64_t i = 0; i < count; i++) net::spawn(make_pod(self, set, done));
  bool all = true;
  for (int64_t i = 0; i < count; i++) {
    auto made = co_await done.next();
    all = all && *made;
  }
  co_return all;
}

net::Task<bool> ReplicaSets::remove_pods(ReplicaSets* self, objects::Object set, std::vector<objects::Object> pods) {
  bool all = true;
  for (const objects::Object& pod : pods) {
    std::string ns(pod.ns()), name(pod.name());
    auto removed = co_await self->cluster_.api.remove(kinds::kPods, ns, name);
    all = all && (removed || removed.error().code == 404);
    if (removed)
      self->cluster_.events.record(
          set, {.reason = "SuccessfulDelete", .message = "Deleted pod: " + name, .component = "replicaset-controller"});
  }
  co_return all;
}

net::Task<bool> ReplicaSets::write_status(ReplicaSets* self, objects::Object set) {
  int64_t total = 0, labeled = 0, ready = 0, available = 0, wait = 0;
  int64_t min_ready = number(set.spec(), "minReadySeconds");
  const base::Json& wanted = fields(set.spec(), "template", "metadata", "labels");
  for (const objects::Object& pod : owned_by(self->cluster_.api, kinds::kPods, set)) {
    if (pod.deleting() || pod_ended(pod)) continue;
    total++;
    bool all = true;
    for (const auto& [key, value] : wanted.items())
      all = all && value.is_string() && pod.label(key) == value.get<std::string>();
    labeled += all;
    ready += pod_ready(pod);
    available += pod_available(pod, min_ready, &wait);
  }
  if (wait > 0) self->queue_.add_after(key_of(set.ns(), set.name()), std::chrono::seconds(wait));
  base::Json status = {{"replicas", total}, {"observedGeneration", set.generation()}};
  if (labeled) status["fullyLabeledReplicas"] = labeled;
  if (ready) status["readyReplicas"] = ready;
  if (available) status["availableReplicas"] = available;
  if (status == set.status()) co_return true;
  set.json()["status"] = std::move(status);
  set.json()["metadata"].erase("resourceVersion");
  auto written = co_await self->cluster_.api.update_status(kinds::kReplicaSets, std::move(set));
  co_return written || written.error().code == 404;
}

}  // namespace localkube
