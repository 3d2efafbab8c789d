// SPDX-License-Identifier: Apache-2.0
#include "localkube/controllers/garbage_collector.h"

#include <algorithm>

#include "localkube/controllers/namespaces.h"
#include "localkube/fields.h"

namespace localkube {

static constexpr const char* kForeground = "foregroundDeletion";
static constexpr const char* kOrphan = "orphan";

GarbageCollector::GarbageCollector(Cluster& cluster)
    : cluster_(cluster), queue_(cluster.loop, [this](std::string uid) { return look_at(this, std::move(uid)); }) {
  watch_all();
  crds_ = cluster_.api.watch(kinds::kCrds, [this](const Change&) { watch_all(); });
}

void GarbageCollector::watch_all() {
  for (const objects::Resource& resource : all_resources(cluster_.api)) watch(resource);
}

void GarbageCollector::watch(const objects::Resource& resource) {
  if (resource.plural == "events" || watches_.contains(resource)) return;
  watches_[resource] =
      cluster_.api.watch(resource, [this, resource](const Change& change) { on_change(resource, change); });
}

void GarbageCollector::forget_owners(const std::string& uid) {
  auto found = known_.find(uid);
  if (found == known_.end()) return;
  for (const std::string& owner : found->second.owners) {
    auto set = dependents_.find(owner);
    if (set == dependents_.end()) continue;
    set->second.erase(uid);
    if (set->second.empty()) dependents_.erase(set);
    if (known_.contains(owner)) queue_.add(owner);  // it may wait for its last dependent
  }
}

std::vector<std::string> GarbageCollector::dependents(const std::string& uid) const {
  auto found = dependents_.find(uid);
  if (found == dependents_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

void GarbageCollector::on_change(const objects::Resource& resource, const Change& change) {
  const objects::Object& object = change.object;
  std::string uid(object.uid());
  forget_owners(uid);
  if (change.type == Change::Type::Deleted) {
    known_.erase(uid);
    for (const std::string& dependent : dependents(uid)) queue_.add(dependent);
    return;
  }
  Known known{.resource = resource, .ns = std::string(object.ns()), .name = std::string(object.name())};
  for (const base::Json& owner : items(object.json(), "metadata", "ownerReferences"))
    known.owners.push_back(string_at(owner, "uid"));
  for (const std::string& owner : known.owners) dependents_[owner].insert(uid);
  bool to_look_at = !known.owners.empty() || object.deleting();
  known_[uid] = std::move(known);
  if (to_look_at) queue_.add(uid);
}

net::Task<bool> GarbageCollector::look_at(GarbageCollector* self, std::string uid) {
  auto found = self->known_.find(uid);
  if (found == self->known_.end()) co_return true;
  Known known = found->second;
  auto object = self->cluster_.api.get(known.resource, known.ns, known.name);
  if (!object || object->uid() != uid) co_return true;
  for (const base::Json& finalizer : items(object->json(), "metadata", "finalizers")) {
    std::string which = finalizer.is_string() ? finalizer.get<std::string>() : "";
    if (!object->deleting() || (which != kForeground && which != kOrphan)) continue;
    bool finished = co_await finish_owner(self, std::move(known), std::move(*object), std::move(which));
    co_return finished;
  }
  if (known.owners.empty() || object->deleting()) co_return true;
  bool collected = co_await collect(self, std::move(known), std::move(*object));
  co_return collected;
}

// Whether the object is there and holds its dependents; who waits for them to go does not.
static bool holds(const Api& api, const objects::Resource& resource, std::string_view ns, std::string_view name,
                  std::string_view uid) {
  auto there = api.peek(resource, ns, name);
  if (!there || base::text(*there, "metadata", "uid") != uid) return false;
  if (!base::find(*there, "metadata", "deletionTimestamp")) return true;
  const base::Json& finalizers = items(*there, "metadata", "finalizers");
  return std::find(finalizers.begin(), finalizers.end(), kForeground) == finalizers.end();
}

// Goes once none of its owners is there any more; owners that wait for it in
// the foreground count as gone.
net::Task<bool> GarbageCollector::collect(GarbageCollector* self, Known known, objects::Object object) {
  const Api& api = self->cluster_.api;
  for (const std::string& uid : known.owners) {
    auto owner = self->known_.find(uid);
    if (owner != self->known_.end() && holds(api, owner->second.resource, owner->second.ns, owner->second.name, uid))
      co_return true;
  }
  // An owner that was made a moment ago may not be known yet: asked by name.
  for (const base::Json& reference : items(object.json(), "metadata", "ownerReferences")) {
    auto version = base::text(reference, "apiVersion");
    size_t slash = version.find('/');
    auto kind = api.resource_of(slash == version.npos ? "" : version.substr(0, slash), base::text(reference, "kind"));
    if (kind && holds(api, *kind, known.ns, base::text(reference, "name"), base::text(reference, "uid")))
      co_return true;
  }
  auto removed = co_await self->cluster_.api.remove(known.resource, known.ns, known.name);
  co_return removed || removed.error().code == 404;
}

net::Task<bool> GarbageCollector::finish_owner(GarbageCollector* self, Known known, objects::Object object,
                                               std::string finalizer) {
  std::string uid(object.uid());
  bool waiting = false;
  for (const std::string& dependent : self->dependents(uid)) {
    if (dependent == uid) continue;  // it names itself as its owner
    if (finalizer == kOrphan) {
      bool freed = co_await orphan(self, uid, dependent);
      waiting = waiting || !freed;
    } else {
      self->queue_.add(dependent);
      waiting = true;
    }
  }
  if (waiting) co_return finalizer != kOrphan;
  base::Json left = base::Json::array();
  for (const base::Json& one : items(object.json(), "metadata", "finalizers"))
    if (one != finalizer) left.push_back(one);
  base::Json patch = {{"metadata", {{"finalizers", std::move(left)}}}};
  auto patched =
      co_await self->cluster_.api.patch(known.resource, known.ns, known.name, PatchType::Merge, std::move(patch));
  co_return patched || patched.error().code == 404;
}

net::Task<bool> GarbageCollector::orphan(GarbageCollector* self, std::string owner, std::string dependent) {
  auto found = self->known_.find(dependent);
  if (found == self->known_.end()) co_return true;
  Known known = found->second;
  auto object = self->cluster_.api.get(known.resource, known.ns, known.name);
  if (!object) co_return true;
  base::Json left = base::Json::array();
  for (const base::Json& reference : items(object->json(), "metadata", "ownerReferences"))
    if (base::text(reference, "uid") != owner) left.push_back(reference);
  base::Json patch = {{"metadata", {{"ownerReferences", std::move(left)}}}};
  auto patched =
      co_await self->cluster_.api.patch(known.resource, known.ns, known.name, PatchType::Merge, std::move(patch));
  co_return patched || patched.error().code == 404;
}

}  // namespace localkube
