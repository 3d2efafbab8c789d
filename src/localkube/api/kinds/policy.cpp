// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/kinds/kinds.h"

namespace localkube {

namespace {

std::string created_at(const Json& object) { return string_at(object, "metadata", "creationTimestamp"); }

// A number or a percentage, "N/A" where neither is set.
std::string amount(const Json* value) {
  if (!value || value->is_null()) return "N/A";
  return value->is_string() ? value->get<std::string>() : value->dump();
}

void budget_create(Json& budget) {
  budget["status"] = {{"disruptionsAllowed", 0}, {"currentHealthy", 0}, {"desiredHealthy", 0}, {"expectedPods", 0}};
}
std::vector<Json> budget_cells(const Json& budget) {
  return {amount(base::find(budget, "spec", "minAvailable")), amount(base::find(budget, "spec", "maxUnavailable")),
          number(budget, "status", "disruptionsAllowed"), age_of(budget)};
}

std::vector<Json> lease_cells(const Json& lease) { return {string_at(lease, "spec", "holderIdentity"), age_of(lease)}; }

void webhook_defaults(Json& configuration) {
  bool mutating = base::text(configuration, "kind") == "MutatingWebhookConfiguration";
  each_item(
      configuration,
      [&](Json& hook) {
        set_default(hook, "failurePolicy", "Fail");
        set_default(hook, "matchPolicy", "Equivalent");
        set_default(hook, "namespaceSelector", Json::object());
        set_default(hook, "objectSelector", Json::object());
        set_default(hook, "timeoutSeconds", 10);
        if (mutating) set_default(hook, "reinvocationPolicy", "Never");
        if (Json* service = at(hook, "clientConfig", "service"); service && service->is_object())
          set_default(*service, "port", 443);
        each_item(hook, [](Json& rule) { set_default(rule, "scope", "*"); }, "rules");
      },
      "webhooks");
}

void validate_webhooks(const Json& configuration, Problems& problems) {
  size_t i = 0;
  for (const Json& hook : items(configuration, "webhooks")) {
    std::string path = "webhooks[" + std::to_string(i++) + "]";
    std::string name = string_at(hook, "name");
    if (name.empty())
      problems.required(path + ".name");
    else if (std::count(name.begin(), name.end(), '.') < 2)
      problems.invalid(path + ".name", in_quotes(name),
                       "should be a domain with at least three segments separated by dots");
    bool url = !base::text(hook, "clientConfig", "url").empty();
    bool service = base::find(hook, "clientConfig", "service") != nullptr;
    if (url == service) problems.required(path + ".clientConfig", "exactly one of url or service is required");
    if (items(hook, "admissionReviewVersions").empty())
      problems.required(path + ".admissionReviewVersions", "must specify one of v1, v1beta1");
    std::string effects = string_at(hook, "sideEffects");
    if (effects.empty())
      problems.required(path + ".sideEffects", "must specify one of None, NoneOnDryRun");
    else if (effects != "None" && effects != "NoneOnDryRun")
      problems.not_supported(path + ".sideEffects", in_quotes(effects), {"None", "NoneOnDryRun"});
    // CEL is not there: a condition that would not be looked at must not be taken.
    if (!items(hook, "matchConditions").empty())
      problems.forbidden(path + ".matchConditions", "this server does not support match conditions (CEL)");
    int64_t seconds = number(hook, "timeoutSeconds");
    if (seconds < 1 || seconds > 30)
      problems.invalid(path + ".timeoutSeconds", std::to_string(seconds),
                       "the timeout value must be between 1 and 30 seconds");
  }
}

std::vector<Json> webhook_cells(const Json& object) { return {items(object, "webhooks").size(), age_of(object)}; }

void rule_binding_defaults(Json& binding) {
  set_default(binding["roleRef"], "apiGroup", "rbac.authorization.k8s.io");
  each_item(
      binding,
      [](Json& subject) {
        std::string kind = string_at(subject, "kind");
        if (kind == "User" || kind == "Group") set_default(subject, "apiGroup", "rbac.authorization.k8s.io");
      },
      "subjects");
}

void role_stays(const Json& binding, const Json& old, Problems& problems) {
  if (binding.value("roleRef", Json()) != old.value("roleRef", Json()))
    problems.invalid("roleRef", Problems::text(binding.value("roleRef", Json())), "cannot change roleRef");
}

std::vector<Json> binding_cells(const Json& binding) {
  std::vector<std::string> users, groups, accounts;
  for (const Json& subject : items(binding, "subjects")) {
    std::string kind = string_at(subject, "kind"), name = string_at(subject, "name");
    if (kind == "User") users.push_back(name);
    if (kind == "Group") groups.push_back(name);
    if (kind == "ServiceAccount") accounts.push_back(string_at(subject, "namespace") + "/" + name);
  }
  return {string_at(binding, "roleRef", "kind") + "/" + string_at(binding, "roleRef", "name"), age_of(binding),
          base::join(users, ", "), base::join(groups, ", "), base::join(accounts, ", ")};
}

std::vector<Json> role_cells(const Json& role) { return {created_at(role)}; }

void autoscaler_defaults(Json& autoscaler) {
  Json& spec = autoscaler["spec"];
  set_default(spec, "minReplicas", 1);
  if (items(spec, "metrics").empty())
    spec["metrics"] = Json::array(
        {{{"type", "Resource"},
          {"resource", {{"name", "cpu"}, {"target", {{"type", "Utilization"}, {"averageUtilization", 80}}}}}}});
}
void autoscaler_create(Json& autoscaler) {
  autoscaler["status"] = {{"desiredReplicas", 0}, {"currentMetrics", nullptr}};
}
std::vector<Json> autoscaler_cells(const Json& autoscaler) {
  std::vector<std::string> targets;
  for (const Json& metric : items(autoscaler, "spec", "metrics"))
    if (const Json* resource = base::find(metric, "resource")) {
      std::string wanted = "<auto>";
      if (int64_t percent = number(*resource, "target", "averageUtilization"))
        wanted = std::to_string(percent) + "%";
      else if (std::string value = string_at(*resource, "target", "averageValue"); !value.empty())
        wanted = value;
      targets.push_back(string_at(*resource, "name") + ": <unknown>/" + wanted);
    }
  const Json* least = base::find(autoscaler, "spec", "minReplicas");
  return {string_at(autoscaler, "spec", "scaleTargetRef", "kind") + "/" +
              string_at(autoscaler, "spec", "scaleTargetRef", "name"),
          join_or_none(targets),
          least ? least->dump() : "<unset>",
          std::to_string(number(autoscaler, "spec", "maxReplicas")),
          std::to_string(number(autoscaler, "status", "currentReplicas")),
          age_of(autoscaler)};
}

void ingress_create(Json& ingress) { ingress["status"] = {{"loadBalancer", Json::object()}}; }
std::vector<Json> ingress_cells(const Json& ingress) {
  std::vector<std::string> hosts, addresses;
  for (const Json& rule : items(ingress, "spec", "rules"))
    if (std::string host = string_at(rule, "host"); !host.empty()) hosts.push_back(host);
  for (const Json& one : items(ingress, "status", "loadBalancer", "ingress"))
    addresses.push_back(string_at(one, base::text(one, "ip").empty() ? "hostname" : "ip"));
  std::string name = string_at(ingress, "spec", "ingressClassName");
  return {name.empty() ? "<none>" : name, hosts.empty() ? "*" : base::join(hosts, ","), base::join(addresses, ","),
          items(ingress, "spec", "tls").empty() ? "80" : "80, 443", age_of(ingress)};
}
std::vector<Json> network_policy_cells(const Json& policy) {
  return {selector_text(base::find(policy, "spec", "podSelector")), age_of(policy)};
}
std::vector<Json> class_cells(const Json& object) {
  std::string parameters = string_at(object, "spec", "parameters", "name");
  return {string_at(object, "spec", "controller"), parameters.empty() ? "<none>" : parameters, age_of(object)};
}
std::vector<Json> priority_cells(const Json& object) {
  return {number(object, "value"), truth(object, "globalDefault"), age_of(object),
          string_at(object, "preemptionPolicy")};
}

KindRow row(std::string group, std::string kind, std::string plural, std::string singular) {
  return {.group = std::move(group),
          .versions = {"v1"},
          .kind = std::move(kind),
          .plural = std::move(plural),
          .singular = std::move(singular)};
}

KindRow rbac(std::string kind, bool namespaced) {
  std::string singular = base::to_lower(kind);
  KindRow made = row("rbac.authorization.k8s.io", kind, singular + "s", singular);
  made.namespaced = namespaced;
  made.name_rule = NameRule::PathSegment;
  if (kind.ends_with("Binding")) {
    made.columns = {{"Role"},
                    {"Age"},
                    {"Users", "string", "", 1},
                    {"Groups", "string", "", 1},
                    {"ServiceAccounts", "string", "", 1}};
    made.rules = {.defaults = rule_binding_defaults, .validate_update = role_stays, .cells = binding_cells};
  } else {
    made.columns = {{"Created At", "date"}};
    made.rules = {.cells = role_cells};
  }
  return made;
}

KindRow webhooks(std::string kind) {
  std::string singular = base::to_lower(kind);
  KindRow made = row("admissionregistration.k8s.io", kind, singular + "s", singular);
  made.namespaced = false;
  made.categories = {"api-extensions"};
  made.counts_generations = true;
  made.columns = {{"Webhooks", "integer"}, {"Age"}};
  made.rules = {.defaults = webhook_defaults, .validate = validate_webhooks, .cells = webhook_cells};
  return made;
}

}  // namespace

std::vector<KindRow> policy_kinds() {
  KindRow autoscaler =
      row("autoscaling", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "horizontalpodautoscaler");
  autoscaler.versions = {"v2"};
  autoscaler.short_names = {"hpa"};
  autoscaler.categories = {"all"};
  autoscaler.has_status = true;
  autoscaler.columns = {{"Reference"}, {"Targets"}, {"MinPods"}, {"MaxPods"}, {"Replicas"}, {"Age"}};
  autoscaler.rules = {.defaults = autoscaler_defaults, .prepare_create = autoscaler_create, .cells = autoscaler_cells};

  KindRow ingress = row("networking.k8s.io", "Ingress", "ingresses", "ingress");
  ingress.short_names = {"ing"};
  ingress.has_status = ingress.counts_generations = true;
  ingress.columns = {{"Class"}, {"Hosts"}, {"Address"}, {"Ports"}, {"Age"}};
  ingress.rules = {.prepare_create = ingress_create, .cells = ingress_cells};

  KindRow ingress_class = row("networking.k8s.io", "IngressClass", "ingressclasses", "ingressclass");
  ingress_class.namespaced = false;
  ingress_class.counts_generations = true;
  ingress_class.columns = {{"Controller"}, {"Parameters"}, {"Age"}};
  ingress_class.rules = {.cells = class_cells};

  KindRow network_policy = row("networking.k8s.io", "NetworkPolicy", "networkpolicies", "networkpolicy");
  network_policy.short_names = {"netpol"};
  network_policy.counts_generations = true;
  network_policy.columns = {{"Pod-Selector"}, {"Age"}};
  network_policy.rules = {.cells = network_policy_cells};

  KindRow budget = row("policy", "PodDisruptionBudget", "poddisruptionbudgets", "poddisruptionbudget");
  budget.short_names = {"pdb"};
  budget.has_status = budget.counts_generations = true;
  budget.columns = {{"Min Available"}, {"Max Unavailable"}, {"Allowed Disruptions", "integer"}, {"Age"}};
  budget.rules = {.prepare_create = budget_create, .cells = budget_cells};

  KindRow lease = row("coordination.k8s.io", "Lease", "leases", "lease");
  lease.columns = {{"Holder"}, {"Age"}};
  lease.rules = {.cells = lease_cells};

  KindRow priority = row("scheduling.k8s.io", "PriorityClass", "priorityclasses", "priorityclass");
  priority.namespaced = false;
  priority.short_names = {"pc"};
  priority.counts_generations = true;
  priority.columns = {{"Value", "integer"}, {"Global-Default", "boolean"}, {"Age"}, {"PreemptionPolicy"}};
  priority.rules = {.cells = priority_cells};

  for (KindRow* row : {&autoscaler, &ingress, &network_policy}) row->idle = true;
  return {autoscaler,
          ingress,
          ingress_class,
          network_policy,
          budget,
          rbac("ClusterRoleBinding", false),
          rbac("ClusterRole", false),
          rbac("RoleBinding", true),
          rbac("Role", true),
          webhooks("MutatingWebhookConfiguration"),
          webhooks("ValidatingWebhookConfiguration"),
          priority,
          lease};
}

}  // namespace localkube
