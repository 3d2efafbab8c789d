// SPDX-License-Identifier: Apache-2.0
#include "localkube/controllers/cluster.h"

#include "base/strings.h"
#include "localkube/fields.h"

namespace localkube {

const base::Json* controller_of(const objects::Object& object) {
  for (const base::Json& owner : items(object.json(), "metadata", "ownerReferences"))
    if (truth(owner, "controller")) return &owner;
  return nullptr;
}

base::Json controller_reference(const objects::Object& owner) {
  return {{"apiVersion", owner.api_version()},
          {"kind", owner.kind_name()},
          {"name", owner.name()},
          {"uid", owner.uid()},
          {"controller", true},
          {"blockOwnerDeletion", true}};
}

std::vector<objects::Object> owned_by(const Api& api, const objects::Resource& resource, const objects::Object& owner) {
  std::vector<objects::Object> out;
  for (objects::Object& object : api.list(resource, owner.ns())) {
    const base::Json* controller = controller_of(object);
    if (controller && base::text(*controller, "uid") == owner.uid()) out.push_back(std::move(object));
  }
  return out;
}

int64_t share_of(const base::Json* value, int64_t total, Round round) {
  if (!value) return 0;
  if (value->is_number()) return value->get<int64_t>();
  std::string text = value->is_string() ? value->get<std::string>() : "";
  if (!text.ends_with('%')) return base::parse_number<int64_t>(text).value_or(0);
  int64_t percent = base::parse_number<int64_t>(std::string_view(text).substr(0, text.size() - 1)).value_or(0);
  return (total * percent + (round == Round::Up ? 99 : 0)) / 100;
}

bool condition_true(const objects::Object& object, std::string_view type) {
  for (const base::Json& condition : items(object.status(), "conditions"))
    if (base::text(condition, "type") == type) return base::text(condition, "status") == "True";
  return false;
}

bool pod_ready(const objects::Object& pod) { return condition_true(pod, "Ready"); }

bool pod_ended(const objects::Object& pod) {
  std::string_view phase = base::text(pod.status(), "phase");
  return phase == "Succeeded" || phase == "Failed";
}

bool pod_available(const objects::Object& pod, int64_t min_ready_seconds, int64_t* wait) {
  if (!pod_ready(pod)) return false;
  if (min_ready_seconds <= 0) return true;
  for (const base::Json& condition : items(pod.status(), "conditions")) {
    if (base::text(condition, "type") != "Ready") continue;
    int64_t since = parse_time(base::text(condition, "lastTransitionTime")).value_or(0);
    int64_t left = since + min_ready_seconds - std::time(nullptr);
    if (left > 0 && wait && (*wait == 0 || left < *wait)) *wait = left;
    return left <= 0;
  }
  return false;
}

void set_condition(base::Json& conditions, const Condition& condition) {
  if (!conditions.is_array()) conditions = base::Json::array();
  std::string status = condition.good ? "True" : "False", now = now_text();
  base::Json* slot = nullptr;
  for (base::Json& known : conditions)
    if (base::text(known, "type") == condition.type) slot = &known;
  if (!slot) {
    conditions.push_back({{"type", condition.type}});
    slot = &conditions.back();
  }
  bool same = base::text(*slot, "status") == status && base::text(*slot, "reason") == condition.reason &&
              base::text(*slot, "message") == condition.message;
  if (same) return;
  if (base::text(*slot, "status") != status) (*slot)["lastTransitionTime"] = now;
  (*slot)["status"] = status;
  (*slot)["reason"] = condition.reason;
  (*slot)["message"] = condition.message;
  (*slot)["lastUpdateTime"] = now;
}

}  // namespace localkube
