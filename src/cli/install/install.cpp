// SPDX-License-Identifier: Apache-2.0
#include "cli/install/install.h"

#include <algorithm>
#include <cstdio>

namespace cli {

using base::ErrorKind;

// "Deployment istio-system/istiod: message", so that the reader knows what failed.
static base::Error about(const objects::Object& object, base::Error error) {
  error.message = object.ref().text() + ": " + error.message;
  return error;
}

static net::Task<base::Result<void>> apply(kube::Client& client, objects::Object object, net::Clock::time_point limit) {
  std::string manager = "istio-operator";
  for (;;) {
    auto applying = client.apply(object, manager);
    auto applied = co_await applying;
    std::optional<base::Error> error;
    if (!applied) error = applied.error();
    if (!error) break;
    // A namespace or webhook of a moment ago may not be in force yet.
    if (!error->retryable || net::Clock::now() > limit) co_return std::unexpected(about(object, *error));
    co_await net::sleep(client.loop(), std::chrono::milliseconds(100));
  }
  co_return base::Result<void>();
}

static bool available(const objects::Object& deployment) {
  const base::Json* seen = base::find(deployment.json(), "status", "observedGeneration");
  if (!seen || seen->get<int64_t>() < deployment.generation()) return false;
  const base::Json* updated = base::find(deployment.json(), "status", "updatedReplicas");
  const base::Json* ready = base::find(deployment.json(), "status", "availableReplicas");
  const base::Json* wanted = base::find(deployment.json(), "spec", "replicas");
  int64_t replicas = wanted ? wanted->get<int64_t>() : 1;
  return updated && ready && updated->get<int64_t>() >= replicas && ready->get<int64_t>() >= replicas;
}

static net::Task<base::Result<void>> await_deployment(kube::Client& client, std::string ns, std::string name,
                                                      net::Clock::time_point limit) {
  for (;;) {
    kube::Resource deployments{"apps", "v1", "deployments"};
    auto found = co_await client.get(deployments, ns, name);
    if (found && available(*found)) co_return base::Result<void>();
    if (net::Clock::now() > limit)
      co_return base::fail(
          ErrorKind::Timeout,
          "Deployment " + ns + "/" + name + " did not become available; see kubectl -n " + ns + " describe pods");
    co_await net::sleep(client.loop(), std::chrono::milliseconds(25));
  }
}

// One that is on its way out takes what is put into it along.
static net::Task<base::Result<void>> await_end_of_terminating(kube::Client& client, std::string ns,
                                                              net::Clock::time_point limit) {
  kube::Resource namespaces{"", "v1", "namespaces"};
  for (;;) {
    auto found = co_await client.get(namespaces, "", ns);
    if (!found && found.error().kind == ErrorKind::Unavailable) co_return std::unexpected(found.error());
    if (!found || !found->deleting()) co_return base::Result<void>();
    if (net::Clock::now() > limit)
      co_return base::fail(ErrorKind::Timeout,
                           "Namespace " + ns + " is still terminating; see kubectl get namespace " + ns + " -o yaml");
    co_await net::sleep(client.loop(), std::chrono::milliseconds(100));
  }
}

static net::Task<base::Result<void>> remove(kube::Client& client, objects::Object object) {
  std::string ns(kube::cluster_scoped(object.kind()) ? "" : object.ns());
  std::string name(object.name());
  auto removed = co_await client.remove(kube::resource_of(object.kind()), ns, name);
  if (!removed && removed.error().kind != ErrorKind::NotFound)
    co_return std::unexpected(about(object, removed.error()));
  if (removed) std::printf("  Removed %s.\n", object.ref().text().c_str());
  co_return base::Result<void>();
}

// An earlier install with other settings may have made them. What somebody else
// calls by such a name lacks install's label.
static net::Task<base::Result<void>> prune(kube::Client& client, std::vector<objects::Object> objects) {
  std::ranges::reverse(objects);
  for (const objects::Object& object : objects) {
    std::string ns(object.ns()), name(object.name());
    auto found = co_await client.get(kube::resource_of(object.kind()), ns, name);
    if (!found || base::text(found->json(), "metadata", "labels", "release") != "istio") continue;
    auto removed = co_await remove(client, object);
    if (!removed) co_return removed;
  }
  co_return base::Result<void>();
}

net::Task<base::Result<void>> install(kube::Client& client, InstallSettings settings, std::chrono::seconds patience) {
  auto components = manifest(settings);
  if (!components) co_return std::unexpected(components.error());
  auto spare = left_out(settings);
  if (!spare) co_return std::unexpected(spare.error());
  auto limit = net::Clock::now() + patience;
  auto gone = co_await await_end_of_terminating(client, settings.ns, limit);
  if (!gone) co_return gone;
  // Everything is asked for first, so that the programs start side by side.
  for (const Component& component : *components)
    for (const objects::Object& object : component.objects) {
      auto applied = co_await apply(client, object, limit);
      if (!applied) co_return applied;
    }
  for (const Component& component : *components) {
    if (!component.deployment.empty()) {
      auto up = co_await await_deployment(client, settings.ns, component.deployment, limit);
      if (!up) co_return up;
    }
    std::printf("✔ %s installed\n", component.name.c_str());
    std::fflush(stdout);
  }
  auto pruned = co_await prune(client, std::move(*spare));
  if (!pruned) co_return pruned;
  std::printf("✔ Installation complete\n");
  co_return base::Result<void>();
}

static bool kept(const objects::Object& object, bool purge) {
  return !purge && (object.kind_name() == "CustomResourceDefinition" || object.kind_name() == "Namespace");
}

net::Task<base::Result<void>> uninstall(kube::Client& client, InstallSettings settings, bool purge) {
  kube::Resource deployments{"apps", "v1", "deployments"};
  auto istiod = co_await client.get(deployments, settings.ns, "istiod");
  if (!istiod && istiod.error().kind != ErrorKind::NotFound) co_return std::unexpected(istiod.error());
  if (!purge && (!istiod || base::text(istiod->json(), "metadata", "labels", "istio.io/rev") != settings.revision))
    co_return base::fail(ErrorKind::NotFound, "could not find target revision " + settings.revision);
  settings.ingress_gateway = settings.egress_gateway = true;  // whichever are there
  auto components = manifest(settings);
  if (!components) co_return std::unexpected(components.error());
  std::vector<objects::Object> doomed;
  for (const Component& component : *components)
    for (const objects::Object& object : component.objects)
      if (!kept(object, purge)) doomed.insert(doomed.begin(), object);
  std::stable_partition(doomed.begin(), doomed.end(),
                        [](const objects::Object& o) { return o.kind_name().ends_with("WebhookConfiguration"); });
  for (const objects::Object& object : doomed) {
    auto removed = co_await remove(client, object);
    if (!removed) co_return removed;
  }
  std::printf("✔ Uninstall complete\n");
  co_return base::Result<void>();
}

}  // namespace cli
