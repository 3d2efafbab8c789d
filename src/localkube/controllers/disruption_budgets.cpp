// SPDX-License-Identifier: Apache-2.0
#include "localkube/controllers/disruption_budgets.h"

#include <algorithm>
#include <set>

#include "localkube/fields.h"

namespace localkube {

static const objects::Resource kBudgets{"policy", "v1", "poddisruptionbudgets"};

// An eviction that was allowed counts until its pod is gone, or for so long if it never goes.
static constexpr int64_t kEvictionSeconds = 120;

BudgetCount::Result BudgetCount::of(const base::Json& spec) const {
  Result out{.expected = pods};
  const base::Json* most = base::find(spec, "maxUnavailable");
  const base::Json* least = base::find(spec, "minAvailable");
  if (most && !most->is_null()) {
    out.expected = replicas;
    out.desired = std::max<int64_t>(0, replicas - share_of(most, replicas, Round::Up));
  } else if (least && !least->is_null()) {
    if (least->is_string()) out.expected = replicas;
    out.desired = share_of(least, out.expected, Round::Up);
  }
  if (out.expected > 0) out.allowed = std::max<int64_t>(0, healthy - out.desired);
  return out;
}

DisruptionBudgets::DisruptionBudgets(Cluster& cluster)
    : cluster_(cluster), queue_(cluster.loop, [this](std::string key) { return reconcile(this, std::move(key)); }) {
  watches_.push_back(cluster_.api.watch(
      kBudgets, [this](const Change& change) { queue_.add(key_of(change.object.ns(), change.object.name())); }));
  for (const objects::Resource& resource : {kinds::kPods, kinds::kReplicaSets, kinds::kDeployments})
    watches_.push_back(cluster_.api.watch(resource, [this](const Change& change) { all_of(change.object.ns()); }));
}

void DisruptionBudgets::all_of(std::string_view ns) {
  for (const objects::Object& budget : cluster_.api.list(kBudgets, ns)) queue_.add(key_of(ns, budget.name()));
}

// Of each controller once; a ReplicaSet of a Deployment counts as the Deployment. Pods that nobody controls count
// nothing.
int64_t DisruptionBudgets::replicas_behind(const std::vector<objects::Object>& pods) const {
  std::set<std::string> seen;
  int64_t total = 0;
  for (const objects::Object& pod : pods) {
    const base::Json* owner = controller_of(pod);
    if (!owner) continue;
    std::string kind(base::text(*owner, "kind")), name(base::text(*owner, "name"));
    auto controller = kind == "ReplicaSet" ? cluster_.api.get(kinds::kReplicaSets, pod.ns(), name) : std::nullopt;
    if (!controller) continue;
    if (const base::Json* above = controller_of(*controller); above && base::text(*above, "kind") == "Deployment")
      if (auto deployment = cluster_.api.get(kinds::kDeployments, pod.ns(), base::text(*above, "name")))
        controller = std::move(deployment);
    if (seen.insert(std::string(controller->uid())).second) total += number(controller->spec(), "replicas");
  }
  return total;
}

net::Task<bool> DisruptionBudgets::reconcile(DisruptionBudgets* self, std::string key) {
  auto [ns, name] = names_of_key(key);
  auto budget = self->cluster_.api.get(kBudgets, ns, name);
  if (!budget || budget->deleting()) co_return true;
  const base::Json* selector = base::find(budget->spec(), "selector");
  std::vector<objects::Object> pods;
  if (selector && selector->is_object()) {
    LabelSelector chosen = LabelSelector::of(*selector);
    for (objects::Object& pod : self->cluster_.api.list(kinds::kPods, ns))
      if (chosen.matches(pod.json())) pods.push_back(std::move(pod));
  }
  base::Json evicted = base::Json::object();
  int64_t now = std::time(nullptr), wait = 0;
  BudgetCount count{.pods = static_cast<int64_t>(pods.size()), .replicas = self->replicas_behind(pods)};
  for (const objects::Object& pod : pods) {
    if (pod.deleting()) continue;
    std::string since(base::text(budget->status(), "disruptedPods", pod.name()));
    int64_t left = since.empty() ? 0 : parse_time(since).value_or(0) + kEvictionSeconds - now;
    if (left > 0) {
      evicted[std::string(pod.name())] = since;
      wait = std::max(wait, left);
      continue;
    }
    count.healthy += pod_ready(pod);
  }
  if (wait > 0) self->queue_.add_after(key, std::chrono::seconds(wait));

  BudgetCount::Result result = count.of(budget->spec());
  base::Json status = {{"observedGeneration", budget->generation()}, {"currentHealthy", count.healthy},
                       {"desiredHealthy", result.desired},           {"expectedPods", result.expected},
                       {"disruptionsAllowed", result.allowed},       {"conditions", base::Json::array()}};
  status["conditions"] = budget->status().value("conditions", base::Json::array());
  if (!evicted.empty()) status["disruptedPods"] = std::move(evicted);
  bool some = result.allowed > 0;
  set_condition(status["conditions"], {.type = "DisruptionAllowed",
                                       .good = some,
                                       .reason = some ? "SufficientPods" : "InsufficientPods",
                                       .message = ""});
  for (base::Json& condition : status["conditions"]) {
    condition.erase("lastUpdateTime");  // which metav1.Condition does not have
    condition["observedGeneration"] = budget->generation();
  }
  if (status == budget->status()) co_return true;
  // With its resource version: an eviction may have counted itself meanwhile.
  budget->json()["status"] = std::move(status);
  auto written = co_await self->cluster_.api.update_status(kBudgets, std::move(*budget));
  co_return written || written.error().code == 404;
}

}  // namespace localkube
