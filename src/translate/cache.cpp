// SPDX-License-Identifier: Apache-2.0
#include "translate/cache.h"

#include <algorithm>

#include "translate/parts.h"

namespace translate {
namespace {

bool equal(const Resource& a, const Resource& b) {
  return a.name == b.name && a.provenance == b.provenance && serialized(*a.message) == serialized(*b.message);
}

// The new list, with the old objects in place of new ones that say the same.
std::vector<SharedResource> settle(std::vector<Resource> made, const std::vector<SharedResource>& before) {
  std::vector<SharedResource> out;
  out.reserve(made.size());
  auto old = before.begin();
  std::ranges::sort(made, {}, &Resource::name);
  for (Resource& resource : made) {
    while (old != before.end() && (*old)->name < resource.name) ++old;
    bool same = old != before.end() && equal(**old, resource);
    out.push_back(same ? *old : std::make_shared<const Resource>(std::move(resource)));
  }
  return out;
}

void add_own(std::vector<SharedResource>& out, std::vector<Resource> own) {
  for (Resource& resource : own) out.push_back(std::make_shared<const Resource>(std::move(resource)));
  std::ranges::sort(out, {}, [](const SharedResource& resource) -> const std::string& { return resource->name; });
}

}  // namespace

Cache::Group& Cache::group(const mesh::View& view) {
  Group& found = groups_[view.outlook()];
  found.used = true;
  if (found.configuration == view.configuration()) return found;
  found.configuration = view.configuration();
  found.has_listeners = found.has_clusters = false;
  found.route_names.clear();
  found.endpoint_names.clear();
  // Routes and endpoints are compared as they are asked for again.
  for (auto& [name, kept] : found.endpoints) kept.set = nullptr;
  for (auto& [name, table] : found.routes) found.stale_routes[name] = std::move(table);
  found.routes.clear();
  return found;
}

std::vector<SharedResource> Cache::listeners(const mesh::View& view) {
  Group& shared = group(view);
  if (!shared.has_listeners) {
    shared.listeners = settle(shared_listeners(view), shared.listeners);
    shared.has_listeners = true;
  }
  std::vector<SharedResource> out = shared.listeners;
  add_own(out, own_listeners(view));
  return out;
}

const std::vector<SharedResource>& Cache::shared_clusters(Group& shared, const mesh::View& view) {
  if (!shared.has_clusters) {
    shared.clusters = settle(translate::shared_clusters(view), shared.clusters);
    shared.has_clusters = true;
  }
  return shared.clusters;
}

std::vector<SharedResource> Cache::clusters(const mesh::View& view) {
  std::vector<SharedResource> out = shared_clusters(group(view), view);
  add_own(out, own_clusters(view));
  return out;
}

std::vector<SharedResource> Cache::routes(const mesh::View& view, std::span<const std::string> names) {
  Group& shared = group(view);
  std::vector<SharedResource> out;
  for (const std::string& name : names) {
    SharedResource& table = shared.routes[name];
    if (!table) {
      table = std::make_shared<const Resource>(std::move(translate::routes(view, {&name, 1}).front()));
      auto before = shared.stale_routes.find(name);
      if (before != shared.stale_routes.end() && before->second && equal(*before->second, *table))
        table = before->second;
    }
    out.push_back(table);
  }
  return out;
}

std::vector<SharedResource> Cache::endpoints(const mesh::View& view, std::span<const std::string> cluster_names) {
  Group& shared = group(view);
  std::vector<SharedResource> out;
  for (const std::string& name : cluster_names) {
    Endpoints& kept = shared.endpoints[name];
    auto set = endpoint_set_of(view, name);
    if (!kept.resource || !kept.set || kept.set != set) {
      auto made = std::make_shared<const Resource>(std::move(translate::endpoints(view, {&name, 1}).front()));
      if (!kept.resource || !equal(*kept.resource, *made)) kept.resource = std::move(made);
      kept.set = std::move(set);
    }
    out.push_back(kept.resource);
  }
  return out;
}

std::vector<std::string> Cache::route_names(const mesh::View& view) {
  Group& shared = group(view);
  if (shared.route_names.empty()) shared.route_names = translate::route_names(view);
  return shared.route_names;
}

std::vector<std::string> Cache::endpoint_names(const mesh::View& view) {
  Group& shared = group(view);
  if (shared.endpoint_names.empty()) shared.endpoint_names = names_of_endpoints(shared_clusters(shared, view));
  return shared.endpoint_names;
}

void Cache::sweep() {
  std::erase_if(groups_, [](const auto& entry) { return !entry.second.used; });
  for (auto& [key, group] : groups_) {
    group.used = false;
    group.stale_routes.clear();
  }
}

}  // namespace translate
