// SPDX-License-Identifier: Apache-2.0
#include "localkube/controllers/scheduler.h"

#include "base/strings.h"
#include "localkube/fields.h"

namespace localkube {

static bool pending(const objects::Object& pod) {
  return base::text(pod.spec(), "nodeName").empty() && !pod.deleting();
}

Scheduler::Scheduler(Cluster& cluster, std::string node)
    : cluster_(cluster),
      node_(std::move(node)),
      queue_(cluster.loop, [this](std::string key) { return bind(this, std::move(key)); }) {
  pods_ = cluster_.api.watch(kinds::kPods, [this](const Change& change) {
    if (change.type != Change::Type::Deleted && pending(change.object))
      queue_.add(key_of(change.object.ns(), change.object.name()));
  });
  nodes_ = cluster_.api.watch(kinds::kNodes, [this](const Change& change) {
    base::Json now = {change.object.spec(), change.object.json().at("metadata").value("labels", base::Json::object())};
    if (change.object.name() != node_ || change.type == Change::Type::Deleted || now == seen_) return;
    seen_ = std::move(now);
    for (const objects::Object& pod : cluster_.api.list(kinds::kPods))
      if (pending(pod)) queue_.add(key_of(pod.ns(), pod.name()));
  });
}

static bool tolerates(const objects::Object& pod, std::string_view key, std::string_view value,
                      std::string_view effect) {
  for (const base::Json& one : items(pod.spec(), "tolerations")) {
    const std::string_view its_key = base::text(one, "key"), its_effect = base::text(one, "effect");
    const bool exists = base::text(one, "operator") == "Exists";
    if (!its_effect.empty() && its_effect != effect) continue;
    if (its_key.empty() ? exists : its_key == key && (exists || base::text(one, "value") == value)) return true;
  }
  return false;
}

// One of a node selector's terms; all of its lines must hold.
static bool line_holds(const base::Json& line, const std::optional<std::string>& value) {
  const std::string_view op = base::text(line, "operator");
  if (op == "Exists") return value.has_value();
  if (op == "DoesNotExist") return !value;
  bool among = false;
  for (const base::Json& one : items(line, "values")) {
    if (!one.is_string()) continue;
    among = among || one == value;
    if (op != "Gt" && op != "Lt") continue;
    auto limit = base::parse_number<int64_t>(one.get_ref<const std::string&>());
    auto has = base::parse_number<int64_t>(value.value_or(""));
    return limit && has && (op == "Gt" ? *has > *limit : *has < *limit);
  }
  return op == "In" ? among : op == "NotIn" && !among;
}

static std::optional<std::string> label_of(const objects::Object& node, const std::string& key) {
  const base::Json& labels = fields(node.json(), "metadata", "labels");
  auto found = labels.find(key);
  if (found == labels.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

static bool term_holds(const base::Json& term, const objects::Object& node) {
  const auto& expressions = items(term, "matchExpressions");
  const auto& members = items(term, "matchFields");
  for (const base::Json& line : expressions)
    if (!line_holds(line, label_of(node, std::string(base::text(line, "key"))))) return false;
  for (const base::Json& line : members)
    if (base::text(line, "key") != "metadata.name" || !line_holds(line, std::string(node.name()))) return false;
  return !expressions.empty() || !members.empty();  // an empty term fits no node
}

static bool labels_fit(const objects::Object& pod, const objects::Object& node) {
  for (const auto& [key, value] : fields(pod.spec(), "nodeSelector").items())
    if (!value.is_string() || label_of(node, key) != value.get<std::string>()) return false;
  const base::Json* required =
      base::find(pod.spec(), "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution");
  if (!required || !required->is_object()) return true;
  for (const base::Json& term : items(*required, "nodeSelectorTerms"))
    if (term_holds(term, node)) return true;
  return false;
}

std::string why_not(const objects::Object& pod, const objects::Object& node) {
  if (!items(pod.spec(), "schedulingGates").empty()) return "Scheduling is blocked due to non-empty scheduling gates";
  const std::string none = "0/1 nodes are available: 1 node(s) ";
  if (truth(node.spec(), "unschedulable") && !tolerates(pod, "node.kubernetes.io/unschedulable", "", "NoSchedule"))
    return none + "were unschedulable.";
  for (const base::Json& taint : items(node.spec(), "taints")) {
    const std::string_view key = base::text(taint, "key"), value = base::text(taint, "value"),
                           effect = base::text(taint, "effect");
    if (effect != "PreferNoSchedule" && !tolerates(pod, key, value, effect))
      return none + "had untolerated taint {" + std::string(key) + ": " + std::string(value) + "}.";
  }
  if (!labels_fit(pod, node)) return none + "didn't match Pod's node affinity/selector.";
  return {};
}

net::Task<bool> Scheduler::bind(Scheduler* self, std::string key) {
  auto [ns, name] = names_of_key(key);
  auto pod = self->cluster_.api.get(kinds::kPods, ns, name);
  auto node = self->cluster_.api.get(kinds::kNodes, {}, self->node_);
  if (!pod || !pending(*pod)) co_return true;
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
  const bool gated = !items(pod.spec(), "schedulingGates").empty();
  base::Json before = pod.status().value("conditions", base::Json::array()), conditions = before;
  set_condition(
      conditions,
      {.type = "PodScheduled", .good = false, .reason = gated ? "SchedulingGated" : "Unschedulable", .message = why});
  if (conditions == before) co_return true;
  if (!gated)
    self->cluster_.events.record(pod, {.type = EventRecorder::Type::Warning,
                                       .reason = "FailedScheduling",
                                       .message = why,
                                       .component = "default-scheduler"});
  pod.json()["status"]["conditions"] = std::move(conditions);
  pod.json()["metadata"].erase("resourceVersion");
  auto written = co_await self->cluster_.api.update_status(kinds::kPods, std::move(pod));
  co_return written.has_value();
}

}  // namespace localkube
