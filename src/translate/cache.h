// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/strings.h"
#include "translate/translate.h"

namespace translate {

using SharedResource = std::shared_ptr<const Resource>;

// Translates once for all proxies that are told the same. Gives what the free
// functions give; a resource that two proxies share is one object, and stays
// the same object for as long as it does not change, so that whoever sends it
// can serialize it once and tell it by its address.
//
// The key is View::outlook() and the snapshot's configuration(): all that a
// translation can read. Endpoints are kept beyond that for as long as their
// Service's set is the same. Used on one thread.
class Cache {
 public:
  std::vector<SharedResource> listeners(const mesh::View& view);
  std::vector<SharedResource> clusters(const mesh::View& view);
  std::vector<SharedResource> routes(const mesh::View& view, std::span<const std::string> names);
  std::vector<SharedResource> endpoints(const mesh::View& view, std::span<const std::string> cluster_names);

  std::vector<std::string> route_names(const mesh::View& view);
  std::vector<std::string> endpoint_names(const mesh::View& view);

  // Drops what nobody asked for since the last call. Call it after each push.
  void sweep();

 private:
  struct Endpoints {
    mesh::Shared<std::vector<mesh::Endpoint>> set;
    SharedResource resource;
  };
  // What proxies of one outlook are told.
  struct Group {
    uint64_t configuration = 0;
    bool used = true;
    std::vector<SharedResource> listeners, clusters;
    bool has_listeners = false, has_clusters = false;
    base::StringMap<SharedResource> routes, stale_routes;  // of this configuration and of the one before
    base::StringMap<Endpoints> endpoints;
    std::vector<std::string> route_names, endpoint_names;
  };
  Group& group(const mesh::View& view);
  const std::vector<SharedResource>& shared_clusters(Group& group, const mesh::View& view);

  std::map<std::string, Group> groups_;
};

}  // namespace translate
