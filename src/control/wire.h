// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "translate/cache.h"
#include "xds/server.h"

namespace control {

// Resources as they go on the wire: each is serialized once, however many
// proxies it suits, and proxies that are told the same share one set, so that a
// session sees by the pointer that nothing changed. Lives on one thread.
class Wire {
 public:
  std::shared_ptr<const xds::Resources> set_of(std::span<const translate::SharedResource> resources);

  // Forgets what nobody holds any more.
  void sweep();

 private:
  struct Form {
    std::weak_ptr<const translate::Resource> source;  // tells whether the address still means the same
    std::shared_ptr<const xds::Resource> bytes;
  };
  struct Set {
    std::vector<translate::SharedResource> sources;
    std::weak_ptr<const xds::Resources> set;
  };
  std::shared_ptr<const xds::Resource> form_of(const translate::SharedResource& resource);

  std::unordered_map<const translate::Resource*, Form> forms_;
  std::unordered_multimap<size_t, Set> sets_;  // by a hash of the sources' addresses
};

}  // namespace control
