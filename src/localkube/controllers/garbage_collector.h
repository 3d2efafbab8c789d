// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unordered_map>

#include "localkube/controllers/cluster.h"

namespace localkube {

// Removes what belongs to objects that are gone (metadata.ownerReferences), and
// serves the finalizers "foregroundDeletion" (dependents go before their owner)
// and "orphan" (they stay, without the reference). Watches every kind there is.
class GarbageCollector {
 public:
  explicit GarbageCollector(Cluster& cluster);

 private:
  struct Known {
    objects::Resource resource;
    std::string ns;
    std::string name;
    std::vector<std::string> owners;  // their uids
  };
  void watch(const objects::Resource& resource);
  void watch_all();
  void on_change(const objects::Resource& resource, const Change& change);
  void forget_owners(const std::string& uid);
  std::vector<std::string> dependents(const std::string& uid) const;

  static net::Task<bool> look_at(GarbageCollector* self, std::string uid);
  static net::Task<bool> collect(GarbageCollector* self, Known known, objects::Object object);
  static net::Task<bool> finish_owner(GarbageCollector* self, Known known, objects::Object object,
                                      std::string finalizer);
  static net::Task<bool> orphan(GarbageCollector* self, std::string owner, std::string dependent);

  Cluster& cluster_;
  std::unordered_map<std::string, Known> known_;                       // by uid
  std::unordered_map<std::string, std::set<std::string>> dependents_;  // owner's uid -> theirs
  std::map<objects::Resource, Api::Handle> watches_;
  WorkQueue queue_;  // of uids
  Api::Handle crds_;
};

}  // namespace localkube
