// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/auth/rbac.h"

#include <algorithm>

#include "localkube/api/kinds/document.h"

namespace localkube {

namespace {

constexpr std::string_view kGroup = "rbac.authorization.k8s.io";
constexpr std::string_view kDiscovery[] = {"/api",           "/apis",  "/openapi", "/version",
                                           "/healthz",       "/livez", "/readyz",  "/.well-known/openid-configuration",
                                           "/openid/v1/jwks"};

bool has(const Json& rule, const char* list, std::string_view value) {
  const Json& entries = items(rule, list);
  return std::any_of(entries.begin(), entries.end(), [&](const Json& entry) { return entry == "*" || entry == value; });
}

bool covers_path(const Json& rule, std::string_view path) {
  for (const Json& entry : items(rule, "nonResourceURLs")) {
    std::string_view pattern =
        entry.is_string() ? std::string_view(entry.get_ref<const std::string&>()) : std::string_view();
    bool prefix = pattern.ends_with('*');
    if (prefix ? path.starts_with(pattern.substr(0, pattern.size() - 1)) : pattern == path) return true;
  }
  return false;
}

bool covers_resource(const Json& rule, const Attributes& wish) {
  std::string full = wish.subresource.empty() ? wish.resource : wish.resource + "/" + wish.subresource;
  for (const Json& entry : items(rule, "resources"))
    if (entry == "*" || entry == full || (!wish.subresource.empty() && entry == "*/" + wish.subresource)) return true;
  return false;
}

bool covers(const Json& rule, const Attributes& wish) {
  if (!has(rule, "verbs", wish.verb)) return false;
  if (!wish.path.empty()) return covers_path(rule, wish.path);
  if (!has(rule, "apiGroups", wish.group) || !covers_resource(rule, wish)) return false;
  const Json& names = items(rule, "resourceNames");
  return names.empty() || (!wish.name.empty() && std::find(names.begin(), names.end(), Json(wish.name)) != names.end());
}

bool covers_everything(const Json& rule) { return covers(rule, {.verb = "*", .group = "*", .resource = "*"}); }

bool names_user(const Json& subject, const User& user, const std::string& ns) {
  std::string kind = string_at(subject, "kind"), name = string_at(subject, "name");
  if (kind == "User") return name == user.name;
  if (kind == "Group") return user.in_group(name);
  std::string account_ns = string_at(subject, "namespace");
  return kind == "ServiceAccount" &&
         user.name == "system:serviceaccount:" + (account_ns.empty() ? ns : account_ns) + ":" + name;
}

const Json& all_rules() {
  static const Json kRules =
      Json::parse(R"([{"verbs":["*"],"apiGroups":["*"],"resources":["*"]},{"verbs":["*"],"nonResourceURLs":["*"]}])");
  return kRules;
}

// Kubernetes' user-facing roles for objects of namespaces, as of 1.33: a rule a line, for the role named and for those
// above it. Nobody but cluster-admin writes where Services lead: Endpoints and EndpointSlices are read only.
struct NamespaceRule {
  std::string_view least;  // "view", "edit" or "admin"
  enum Verbs { Read, Write, Both, Create, Impersonate } verbs;
  std::string_view group;
  std::vector<std::string_view> resources;
};

const std::vector<NamespaceRule>& namespace_rules() {
  using enum NamespaceRule::Verbs;
  static const std::vector<NamespaceRule> kRules = {
      {"view",
       Read,
       "",
       {"configmaps", "endpoints", "persistentvolumeclaims", "persistentvolumeclaims/status", "pods",
        "replicationcontrollers", "replicationcontrollers/scale", "serviceaccounts", "services", "services/status"}},
      {"view",
       Read,
       "",
       {"bindings", "events", "limitranges", "namespaces", "namespaces/status", "pods/log", "pods/status",
        "replicationcontrollers/status", "resourcequotas", "resourcequotas/status"}},
      {"view", Read, "discovery.k8s.io", {"endpointslices"}},
      {"view",
       Read,
       "apps",
       {"controllerrevisions", "daemonsets", "daemonsets/status", "deployments", "deployments/scale",
        "deployments/status", "replicasets", "replicasets/scale", "replicasets/status", "statefulsets",
        "statefulsets/scale", "statefulsets/status"}},
      {"view", Read, "autoscaling", {"horizontalpodautoscalers", "horizontalpodautoscalers/status"}},
      {"view", Read, "batch", {"cronjobs", "cronjobs/status", "jobs", "jobs/status"}},
      {"view", Read, "policy", {"poddisruptionbudgets", "poddisruptionbudgets/status"}},
      {"view", Read, "networking.k8s.io", {"ingresses", "ingresses/status", "networkpolicies"}},
      {"edit", Read, "", {"pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"}},
      {"edit", Impersonate, "", {"serviceaccounts"}},
      {"edit", Write, "", {"pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"}},
      {"edit", Create, "", {"pods/eviction", "serviceaccounts/token"}},
      {"edit",
       Write,
       "",
       {"configmaps", "events", "persistentvolumeclaims", "replicationcontrollers", "replicationcontrollers/scale",
        "secrets", "serviceaccounts", "services", "services/proxy"}},
      {"edit",
       Write,
       "apps",
       {"daemonsets", "deployments", "deployments/rollback", "deployments/scale", "replicasets", "replicasets/scale",
        "statefulsets", "statefulsets/scale"}},
      {"edit", Write, "autoscaling", {"horizontalpodautoscalers"}},
      {"edit", Write, "batch", {"cronjobs", "jobs"}},
      {"edit", Write, "policy", {"poddisruptionbudgets"}},
      {"edit", Write, "networking.k8s.io", {"ingresses", "networkpolicies"}},
      {"edit", Both, "coordination.k8s.io", {"leases"}},
      {"admin", Create, "authorization.k8s.io", {"localsubjectaccessreviews"}},
      {"admin", Both, "rbac.authorization.k8s.io", {"rolebindings", "roles"}},
  };
  return kRules;
}

Json verbs_of(NamespaceRule::Verbs verbs) {
  Json read = {"get", "list", "watch"}, write = {"create", "delete", "deletecollection", "patch", "update"};
  switch (verbs) {
    case NamespaceRule::Read:
      return read;
    case NamespaceRule::Write:
      return write;
    case NamespaceRule::Both:
      read.insert(read.end(), write.begin(), write.end());
      return read;
    case NamespaceRule::Create:
      return Json::array({"create"});
    case NamespaceRule::Impersonate:
      return Json::array({"impersonate"});
  }
  return {};
}

Json namespace_role(std::string_view role) {
  Json rules = Json::array();
  for (const NamespaceRule& rule : namespace_rules())
    if (role == "admin" || rule.least == role || rule.least == "view")
      rules.push_back(
          {{"verbs", verbs_of(rule.verbs)}, {"apiGroups", Json::array({rule.group})}, {"resources", rule.resources}});
  return rules;
}

// A role that is there without being stored; null: none of that name.
Json builtin_rules(std::string_view name) {
  if (name == "cluster-admin") return all_rules();
  if (name == "admin" || name == "edit" || name == "view") return namespace_role(name);
  return {};
}

bool is_about_oneself(const Attributes& wish) {
  return wish.verb == "create" && (wish.group == "authorization.k8s.io" || wish.group == "authentication.k8s.io") &&
         wish.resource.starts_with("selfsubject");
}

bool is_discovery(const Attributes& wish) {
  if (wish.verb != "get" && wish.verb != "head") return false;
  return std::any_of(std::begin(kDiscovery), std::end(kDiscovery), [&](std::string_view root) {
    return wish.path == root || (wish.path.starts_with(root) && wish.path[root.size()] == '/');
  });
}

}  // namespace

bool Rbac::visit_role(const Json& binding, const std::string& ns, std::string_view kind, const Visit& call) const {
  std::string role = string_at(binding, "roleRef", "name");
  bool namespaced = string_at(binding, "roleRef", "kind") == "Role";
  const Record* stored =
      store_.find(std::string(kGroup) + (namespaced ? "/roles" : "/clusterroles"), namespaced ? ns : "", role);
  Json builtin = stored || namespaced ? Json() : builtin_rules(role);
  std::string reason = "RBAC: allowed by " + std::string(kind) + " \"" + string_at(binding, "metadata", "name") +
                       (ns.empty() ? "" : "/" + ns) + "\" of " + (namespaced ? "Role" : "ClusterRole") + " \"" + role +
                       "\"";
  const Json& rules = stored ? items(*stored->object, "rules") : builtin;
  return std::any_of(rules.begin(), rules.end(), [&](const Json& rule) { return call(rule, reason); });
}

void Rbac::visit(const User& user, const std::string& ns, const Visit& call) const {
  bool done = false;
  auto look = [&](const char* table, const std::string& where, const char* kind) {
    if (done) return;
    store_.each(std::string(kGroup) + table, where,
                [&](const std::string& binding_ns, const std::string&, const Record& record) {
                  const Json& subjects = items(*record.object, "subjects");
                  bool meant = std::any_of(subjects.begin(), subjects.end(),
                                           [&](const Json& subject) { return names_user(subject, user, binding_ns); });
                  done = meant && visit_role(*record.object, where, kind, call);
                  return !done;
                });
  };
  look("/clusterrolebindings", "", "ClusterRoleBinding");
  if (!ns.empty()) look("/rolebindings", ns, "RoleBinding");
}

Rbac::Verdict Rbac::decide(const User& user, const Attributes& wish) const {
  if (user.in_group("system:masters")) return {.allowed = true};
  if (user.in_group("system:authenticated") && (is_about_oneself(wish) || is_discovery(wish))) return {.allowed = true};
  Verdict verdict;
  bool reads = wish.verb == "get" || wish.verb == "list" || wish.verb == "watch";
  bool grants = wish.group == kGroup && !reads;
  visit(user, wish.ns, [&](const Json& rule, const std::string& reason) {
    if (!covers(rule, wish) || (grants && !covers_everything(rule))) return false;
    verdict = {.allowed = true, .reason = reason};
    return true;
  });
  return verdict;
}

std::vector<Json> Rbac::rules_of(const User& user, const std::string& ns) const {
  std::vector<Json> out;
  if (user.in_group("system:masters")) {
    out.assign(all_rules().begin(), all_rules().end());
    return out;
  }
  visit(user, ns, [&](const Json& rule, const std::string&) {
    out.push_back(rule);
    return false;
  });
  Json paths = Json::array();
  for (std::string_view path : kDiscovery) paths.push_back(path), paths.push_back(std::string(path) + "/*");
  out.push_back({{"verbs", {"get"}}, {"nonResourceURLs", std::move(paths)}});
  out.push_back({{"verbs", {"create"}},
                 {"apiGroups", {"authorization.k8s.io"}},
                 {"resources", {"selfsubjectaccessreviews", "selfsubjectrulesreviews"}}});
  out.push_back(
      {{"verbs", {"create"}}, {"apiGroups", {"authentication.k8s.io"}}, {"resources", {"selfsubjectreviews"}}});
  return out;
}

}  // namespace localkube
