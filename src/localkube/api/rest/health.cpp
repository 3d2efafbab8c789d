// SPDX-License-Identifier: Apache-2.0
#include <ctime>

#include "base/strings.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/rest/computed.h"
#include "localkube/api/rest/respond.h"

namespace localkube {

namespace {

constexpr int64_t kLeaseLasts = 60;    // seconds; it is renewed every ten
constexpr int64_t kSchedulerHas = 30;  // seconds to see a new pod

const objects::Resource kLeases{"coordination.k8s.io", "v1", "leases"};
const objects::Resource kPods{"", "v1", "pods"};
const objects::Resource kNamespaces{"", "v1", "namespaces"};
const objects::Resource kCrds{"apiextensions.k8s.io", "v1", "customresourcedefinitions"};

std::string nothing(const Registry&) { return {}; }

std::string trouble_of_namespaces(const Registry& registry) {
  for (const char* name : {"default", "kube-system", "kube-public", "kube-node-lease"})
    if (!registry.peek(kNamespaces, "", name)) return "namespace " + std::string(name) + " is not there";
  return {};
}

std::string trouble_of_crds(const Registry& registry) {
  for (const objects::Object& crd : registry.list(kCrds, ""))
    if (!registry.resource_of(string_at(crd.spec(), "group"), string_at(crd.spec(), "names", "kind")))
      return std::string(crd.name()) + " is not served";
  return {};
}

struct Check {
  std::string_view name;
  std::string (*trouble)(const Registry&);
};
// Under the names that a kube-apiserver has for the same.
constexpr Check kChecks[] = {{"ping", nothing},
                             {"etcd", trouble_of_store},
                             {"poststarthook/crd-informer-synced", trouble_of_crds},
                             {"poststarthook/start-system-namespaces-controller", trouble_of_namespaces}};

constexpr std::string_view kPaths[] = {"healthz", "livez", "readyz"};

}  // namespace

std::string trouble_of_store(const Registry& registry) { return registry.store().trouble(); }

// They renew the node's lease through the API, so a fresh one says that they turn and can write.
std::string trouble_of_controllers(const Registry& registry) {
  int64_t newest = 0;
  for (const objects::Object& lease : registry.list(kLeases, "kube-node-lease"))
    newest = std::max(newest, parse_time(string_at(lease.spec(), "renewTime")).value_or(0));
  if (newest == 0) return "the node's lease was never renewed";
  int64_t age = std::time(nullptr) - newest;
  return age <= kLeaseLasts ? "" : "the node's lease was last renewed " + std::to_string(age) + " s ago";
}

std::string trouble_of_scheduler(const Registry& registry) {
  int64_t now = std::time(nullptr);
  for (const objects::Object& pod : registry.list(kPods, "")) {
    if (pod.deleting() || !base::text(pod.spec(), "nodeName").empty()) continue;
    bool seen = false;
    for (const Json& condition : items(pod.status(), "conditions"))
      seen = seen || base::text(condition, "type") == "PodScheduled";
    int64_t born = parse_time(string_at(pod.json(), "metadata", "creationTimestamp")).value_or(now);
    if (!seen && now - born > kSchedulerHas)
      return "pod " + std::string(pod.ns()) + "/" + std::string(pod.name()) + " was not looked at";
  }
  return {};
}

bool is_health(std::string_view path) {
  for (std::string_view one : kPaths)
    if (path.starts_with("/") && path.substr(1).starts_with(one) &&
        (path.size() == one.size() + 1 || path[one.size() + 1] == '/'))
      return true;
  return false;
}

void serve_health(Services& services, http::Exchange& exchange, bool reasons) {
  std::string path(exchange.request().path_only().substr(1)), query(exchange.request().query());
  std::string one = path.find('/') == path.npos ? "" : path.substr(path.find('/') + 1);
  std::string all = path.substr(0, path.find('/'));
  if (!one.empty()) {
    for (const Check& check : kChecks) {
      if (check.name != one) continue;
      std::string trouble = check.trouble(services.registry);
      if (trouble.empty())
        exchange.respond(200, "ok");
      else
        exchange.respond(500, "internal server error: " + trouble + "\n");
      return;
    }
    return exchange.respond(404, "404 page not found\n");
  }
  auto excluded = http::query_parameters(query, "exclude");
  std::string text;
  bool good = true;
  for (const Check& check : kChecks) {
    std::string name(check.name);
    if (std::erase(excluded, check.name) > 0) {
      text += "[+]" + name + " excluded: ok\n";
      continue;
    }
    std::string trouble = check.trouble(services.registry);
    good = good && trouble.empty();
    text += trouble.empty() ? "[+]" + name + " ok\n"
                            : "[-]" + name + " failed: " + (reasons ? trouble : "reason withheld") + "\n";
  }
  if (!excluded.empty())
    text += "warn: some health checks cannot be excluded: no matches for \"" + base::join(excluded, "\", \"") + "\"\n";
  text += all + " check " + (good ? "passed" : "failed") + "\n";
  bool told = !good || http::query_parameter(query, "verbose").has_value();
  exchange.respond(good ? 200 : 500, told ? text : "ok");
}

}  // namespace localkube
