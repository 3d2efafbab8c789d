// SPDX-License-Identifier: Apache-2.0
#include "localkube/controllers/deployments.h"

#include <algorithm>

#include "base/strings.h"
#include "localkube/fields.h"

namespace localkube {

static constexpr const char* kRevision = "deployment.kubernetes.io/revision";
static constexpr const char* kMaxReplicas = "deployment.kubernetes.io/max-replicas";
static constexpr const char* kHashLabel = "pod-template-hash";

std::string template_hash(const base::Json& pod_template, int64_t collisions) {
  static constexpr std::string_view kLetters = "bcdfghjklmnpqrstvwxz2456789";  // no words by accident
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : pod_template.dump() + (collisions ? std::to_string(collisions) : ""))
    hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  std::string out;
  for (int i = 0; i < 10; i++, hash /= kLetters.size()) out += kLetters[hash % kLetters.size()];
  return out;
}

void RolloutStep::advance() {
  int64_t total = fresh.replicas, available = fresh.available;
  for (const Set& set : old) total += set.replicas, available += set.available;
  if (fresh.replicas > wanted) {
    fresh.replicas = wanted;
    return;
  }
  if (fresh.replicas < wanted) {
    int64_t room = wanted + max_surge - total;
    if (room > 0) {
      int64_t more = std::min(room, wanted - fresh.replicas);
      fresh.replicas += more;
      total += more;
    }
  }
  // Old pods that do not work go first: they serve nobody.
  int64_t least = wanted - max_unavailable;
  int64_t fresh_unavailable = fresh.replicas - fresh.available;
  int64_t spare = total - least - fresh_unavailable;
  for (Set& set : old) {
    if (spare <= 0) break;
    int64_t broken = std::clamp<int64_t>(set.replicas - set.available, 0, spare);
    set.replicas -= broken;
    spare -= broken;
  }
  int64_t serving = available - least;
  for (Set& set : old) {
    if (serving <= 0 || spare <= 0) break;
    int64_t less = std::min({set.replicas, serving, spare});
    set.replicas -= less;
    serving -= less;
    spare -= less;
  }
}

Deployments::Deployments(Cluster& cluster)
    : cluster_(cluster), queue_(cluster.loop, [this](std::string key) { return reconcile(this, std::move(key)); }) {
  watches_.push_back(cluster_.api.watch(kinds::kDeployments, [this](const Change& change) {
    queue_.add(key_of(change.object.ns(), change.object.name()));
  }));
  watches_.push_back(cluster_.api.watch(kinds::kReplicaSets, [this](const Change& change) {
    const base::Json* owner = controller_of(change.object);
    if (owner && base::text(*owner, "kind") == "Deployment")
      queue_.add(key_of(change.object.ns(), base::text(*owner, "name")));
  }));
}

static int64_t revision_of(const objects::Object& object) {
  return base::parse_number<int64_t>(object.annotation(kRevision)).value_or(0);
}

static base::Json plain_template(const base::Json& spec) {
  base::Json out = fields(spec, "template");
  if (base::Json* labels = at(out, "metadata", "labels")) labels->erase(kHashLabel);
  return out;
}

base::Json set_annotations(const objects::Object& deployment, const base::Json& present, const std::string& revision,
                           int64_t wanted, int64_t most) {
  static constexpr std::string_view kOwn[] = {
      "kubectl.kubernetes.io/last-applied-configuration", kRevision,    "deployment.kubernetes.io/revision-history",
      "deployment.kubernetes.io/desired-replicas",        kMaxReplicas, "deprecated.deployment.rollback.to"};
  base::Json out = present.is_object() ? present : base::Json::object();
  for (const auto& [key, value] : fields(deployment.json(), "metadata", "annotations").items())
    if (std::find(std::begin(kOwn), std::end(kOwn), key) == std::end(kOwn)) out[key] = value;
  out[kRevision] = revision;
  out["deployment.kubernetes.io/desired-replicas"] = std::to_string(wanted);
  out[kMaxReplicas] = std::to_string(most);
  return out;
}

// Replicas, and the most that there may be while it rolls.
static std::pair<int64_t, int64_t> bounds_of(const objects::Object& deployment) {
  const base::Json& spec = deployment.spec();
  int64_t wanted = number(spec, "replicas");
  if (base::text(spec, "strategy", "type") == "Recreate" || wanted == 0) return {wanted, wanted};
  return {wanted, wanted + share_of(base::find(spec, "strategy", "rollingUpdate", "maxSurge"), wanted, Round::Up)};
}

std::shared_ptr<Deployments::Sets> Deployments::sets_of(const objects::Object& deployment) const {
  auto sets = std::make_shared<Sets>();
  base::Json present = plain_template(deployment.spec());
  auto all = owned_by(cluster_.api, kinds::kReplicaSets, deployment);
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return revision_of(a) < revision_of(b); });
  for (objects::Object& set : all) {
    if (!sets->fresh && plain_template(set.spec()) == present)
      sets->fresh = std::move(set);
    else
      sets->old.push_back(std::move(set));
  }
  return sets;
}

net::Task<bool> Deployments::reconcile(Deployments* self, std::string key) {
  auto [ns, name] = names_of_key(key);
  auto deployment = self->cluster_.api.get(kinds::kDeployments, ns, name);
  if (!deployment || deployment->deleting()) co_return true;
  auto sets = self->sets_of(*deployment);
  bool done = true;
  if (!truth(deployment->spec(), "paused")) {
    bool replace = base::text(deployment->spec(), "strategy", "type") == "Recreate";
    if (replace)
      done = co_await recreate(self, *deployment, sets);
    else
      done = co_await roll(self, *deployment, sets);
  }
  // What the steps above have changed counts in the status.
  deployment = self->cluster_.api.get(kinds::kDeployments, ns, name);
  if (!deployment) co_return true;
  bool written = co_await write_status(self, *deployment, self->sets_of(*deployment));
  bool forgot = co_await forget_old(self, std::move(*deployment), std::move(sets));
  co_return done&& written&& forgot;
}

net::Task<bool> Deployments::ensure_fresh(Deployments* self, objects::Object deployment, std::shared_ptr<Sets> sets) {
  int64_t newest = 0;
  for (const objects::Object& set : sets->old) newest = std::max(newest, revision_of(set));
  std::string ns(deployment.ns()), name(deployment.name());
  std::string revision = std::to_string(sets->fresh ? std::max(revision_of(*sets->fresh), newest + 1) : newest + 1);
  auto [wanted, most] = bounds_of(deployment);
  if (!sets->fresh) {
    std::string hash = template_hash(plain_template(deployment.spec()), number(deployment.status(), "collisionCount"));
    base::Json pattern = fields(deployment.spec(), "template"), selector = fields(deployment.spec(), "selector");
    pattern["metadata"]["labels"][kHashLabel] = hash;
    selector["matchLabels"][kHashLabel] = hash;
    base::Json annotations = set_annotations(deployment, {}, revision, wanted, most);
    base::Json document = {{"apiVersion", "apps/v1"},
                           {"kind", "ReplicaSet"},
                           {"metadata",
                            {{"name", name + "-" + hash},
                             {"namespace", ns},
                             {"labels", pattern["metadata"]["labels"]},
                             {"annotations", std::move(annotations)},
                             {"ownerReferences", base::Json::array({controller_reference(deployment)})}}},
                           {"spec",
                            {{"replicas", 0},
                             {"minReadySeconds", number(deployment.spec(), "minReadySeconds")},
                             {"selector", std::move(selector)},
                             {"template", std::move(pattern)}}}};
    auto made = co_await self->cluster_.api.create(kinds::kReplicaSets, objects::Object(std::move(document)));
    if (!made) {
      self->cluster_.events.record(deployment, {.type = EventRecorder::Type::Warning,
                                                .reason = "ReplicaSetCreateError",
                                                .message = made.error().message,
                                                .component = "deployment-controller"});
      co_return false;
    }
    sets->fresh = std::move(*made);
  } else if (base::Json present = fields(sets->fresh->json(), "metadata", "annotations"),
             annotations = set_annotations(deployment, present, revision, wanted, most);
             annotations != present) {
    std::string set_name(sets->fresh->name());
    base::Json patch = {{"metadata", {{"annotations", std::move(annotations)}}}};
    auto patched =
        co_await self->cluster_.api.patch(kinds::kReplicaSets, ns, set_name, PatchType::Merge, std::move(patch));
    if (!patched) co_return false;
    sets->fresh = std::move(*patched);
  }
  if (deployment.annotation(kRevision) == revision) co_return true;
  base::Json patch = {{"metadata", {{"annotations", {{kRevision, revision}}}}}};
  auto patched = co_await self->cluster_.api.patch(kinds::kDeployments, ns, name, PatchType::Merge, std::move(patch),
                                                   "status");  // so that it raises no generation
  co_return patched.has_value();
}

net::Task<bool> Deployments::scale(Deployments* self, objects::Object deployment, objects::Object set,
                                   int64_t replicas) {
  int64_t before = number(set.spec(), "replicas");
  if (before == replicas) co_return true;
  auto [wanted, most] = bounds_of(deployment);
  std::string ns(set.ns()), name(set.name());
  base::Json patch = {{"spec", {{"replicas", replicas}}},
                      {"metadata",
                       {{"annotations",
                         {{"deployment.kubernetes.io/desired-replicas", std::to_string(wanted)},
                          {kMaxReplicas, std::to_string(most)}}}}}};
  auto scaled = co_await self->cluster_.api.patch(kinds::kReplicaSets, ns, name, PatchType::Merge, std::move(patch));
  if (!scaled) co_return scaled.error().code == 404;
  self->cluster_.events.record(
      deployment, {.reason = "ScalingReplicaSet",
                   .message = std::string("Scaled ") + (replicas > before ? "up" : "down") + " replica set " + name +
                              " from " + std::to_string(before) + " to " + std::to_string(replicas),
                   .component = "deployment-controller"});
  co_return true;
}

static RolloutStep::Set numbers_of(const objects::Object& set) {
  return {.replicas = number(set.spec(), "replicas"),
          .existing = number(set.status(), "replicas"),
          .available = number(set.status(), "availableReplicas")};
}

net::Task<bool> Deployments::roll(Deployments* self, objects::Object deployment, std::shared_ptr<Sets> sets) {
  bool ensured = co_await ensure_fresh(self, deployment, sets);
  if (!ensured) co_return false;
  const base::Json& spec = deployment.spec();
  RolloutStep step{.wanted = number(spec, "replicas"), .fresh = numbers_of(*sets->fresh)};
  step.max_surge = share_of(base::find(spec, "strategy", "rollingUpdate", "maxSurge"), step.wanted, Round::Up);
  step.max_unavailable =
      share_of(base::find(spec, "strategy", "rollingUpdate", "maxUnavailable"), step.wanted, Round::Down);
  if (step.max_surge == 0 && step.max_unavailable == 0) step.max_unavailable = 1;
  for (const objects::Object& set : sets->old) step.old.push_back(numbers_of(set));
  step.advance();
  bool all = co_await scale(self, deployment, *sets->fresh, step.fresh.replicas);
  for (size_t i = 0; i < sets->old.size(); i++) {
    bool one = co_await scale(self, deployment, sets->old[i], step.old[i].replicas);
    all = all && one;
  }
  co_return all;
}

net::Task<bool> Deployments::recreate(Deployments* self, objects::Object deployment, std::shared_ptr<Sets> sets) {
  bool waiting = false, all = true;
  for (const objects::Object& set : sets->old) {
    bool one = co_await scale(self, deployment, set, 0);
    all = all && one;
    for (const objects::Object& pod : owned_by(self->cluster_.api, kinds::kPods, set))
      waiting = waiting || !pod_ended(pod);
  }
  if (waiting) {
    self->queue_.add_after(key_of(deployment.ns(), deployment.name()), std::chrono::milliseconds(100));
    co_return all;
  }
  bool ensured = co_await ensure_fresh(self, deployment, sets);
  if (!ensured) co_return false;
  bool scaled = co_await scale(self, deployment, *sets->fresh, number(deployment.spec(), "replicas"));
  co_return all&& scaled;
}

net::Task<bool> Deployments::forget_old(Deployments* self, objects::Object deployment, std::shared_ptr<Sets> sets) {
  auto keep = static_cast<size_t>(number_or(deployment.spec(), 10, "revisionHistoryLimit"));
  std::vector<std::string> empty;
  for (const objects::Object& set : sets->old)
    if (number(set.spec(), "replicas") == 0 && number(set.status(), "replicas") == 0) empty.emplace_back(set.name());
  if (empty.size() <= keep) co_return true;
  empty.resize(empty.size() - keep);
  std::string ns(deployment.ns());
  for (const std::string& name : empty) {
    auto removed = co_await self->cluster_.api.remove(kinds::kReplicaSets, ns, name);
    (void)removed;
  }
  co_return true;
}

net::Task<bool> Deployments::write_status(Deployments* self, objects::Object deployment, std::shared_ptr<Sets> sets) {
  const base::Json& spec = deployment.spec();
  int64_t wanted = number(spec, "replicas"), total = 0, ready = 0, available = 0, updated = 0;
  auto count = [&](const objects::Object& set) {
    total += number(set.status(), "replicas");
    ready += number(set.status(), "readyReplicas");
    available += number(set.status(), "availableReplicas");
  };
  for (const objects::Object& set : sets->old) count(set);
  if (sets->fresh) {
    count(*sets->fresh);
    updated = number(sets->fresh->status(), "replicas");
  }
  base::Json status = {{"observedGeneration", deployment.generation()},
                       {"conditions", deployment.status().value("conditions", base::Json::array())}};
  for (auto [key, value] : {std::pair("replicas", total), std::pair("updatedReplicas", updated),
                            std::pair("readyReplicas", ready), std::pair("availableReplicas", available),
                            std::pair("unavailableReplicas", std::max<int64_t>(0, std::max(total, wanted) - available)),
                            std::pair("collisionCount", number(deployment.status(), "collisionCount"))})
    if (value) status[key] = value;

  int64_t unavailable = share_of(base::find(spec, "strategy", "rollingUpdate", "maxUnavailable"), wanted, Round::Down);
  bool enough = available >= wanted - unavailable;
  std::string fresh = sets->fresh ? std::string(sets->fresh->name()) : "";
  bool complete = updated == wanted && total == wanted && available == wanted;
  set_condition(status["conditions"], {.type = "Available",
                                       .good = enough,
                                       .reason = enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
                                       .message = enough ? "Deployment has minimum availability."
                                                         : "Deployment does not have minimum availability."});
  if (complete)
    set_condition(status["conditions"], {.type = "Progressing",
                                         .good = true,
                                         .reason = "NewReplicaSetAvailable",
                                         .message = "ReplicaSet \"" + fresh + "\" has successfully progressed."});
  else if (!fresh.empty()) {
    // The deadline counts from the last step forward, which the condition's update time tells.
    bool moved = updated > number(deployment.status(), "updatedReplicas") ||
                 available > number(deployment.status(), "availableReplicas") ||
                 ready > number(deployment.status(), "readyReplicas") ||
                 deployment.generation() != number(deployment.status(), "observedGeneration");
    int64_t since = 0;
    bool late = false;
    for (const base::Json& condition : items(status, "conditions"))
      if (base::text(condition, "type") == "Progressing") {
        since = parse_time(base::text(condition, "lastUpdateTime")).value_or(0);
        late = base::text(condition, "reason") == "ProgressDeadlineExceeded";
      }
    int64_t limit = number_or(spec, 600, "progressDeadlineSeconds");
    bool over = !moved && since > 0 && (late || std::time(nullptr) - since >= limit);
    if (over) {
      set_condition(status["conditions"], {.type = "Progressing",
                                           .good = false,
                                           .reason = "ProgressDeadlineExceeded",
                                           .message = "ReplicaSet \"" + fresh + "\" has timed out progressing."});
    } else {
      set_condition(status["conditions"], {.type = "Progressing",
                                           .good = true,
                                           .reason = "ReplicaSetUpdated",
                                           .message = "ReplicaSet \"" + fresh + "\" is progressing."});
      for (base::Json& condition : status["conditions"])
        if (moved && condition["type"] == "Progressing") condition["lastUpdateTime"] = now_text();
      self->queue_.add_after(key_of(deployment.ns(), deployment.name()), std::chrono::seconds(limit + 1));
    }
  }
  if (status == deployment.status()) co_return true;
  deployment.json()["status"] = std::move(status);
  for (const char* key : {"resourceVersion", "annotations"})
    deployment.json()["metadata"].erase(key);  // of a while ago
  auto written = co_await self->cluster_.api.update_status(kinds::kDeployments, std::move(deployment));
  co_return written || written.error().code == 404;
}

}  // namespace localkube
