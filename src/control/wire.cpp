// SPDX-License-Identifier: Apache-2.0
#include "control/wire.h"

#include <algorithm>

namespace control {

namespace {

size_t hash_of(std::span<const translate::SharedResource> resources) {
  size_t hash = resources.size();
  for (const auto& resource : resources) hash = (hash ^ reinterpret_cast<size_t>(resource.get())) * 0x9e3779b97f4a7c15u;
  return hash;
}

}  // namespace

std::shared_ptr<const xds::Resource> Wire::form_of(const translate::SharedResource& resource) {
  Form& form = forms_[resource.get()];
  if (!form.bytes || form.source.lock() != resource)
    form = {resource, xds::Resource::make(resource->name, translate::serialized(*resource->message))};
  return form.bytes;
}

std::shared_ptr<const xds::Resources> Wire::set_of(std::span<const translate::SharedResource> resources) {
  size_t hash = hash_of(resources);
  auto [first, last] = sets_.equal_range(hash);
  for (auto it = first; it != last; ++it)
    if (std::ranges::equal(it->second.sources, resources))
      if (auto set = it->second.set.lock()) return set;
  auto set = std::make_shared<xds::Resources>();
  for (const translate::SharedResource& resource : resources) set->insert_or_assign(resource->name, form_of(resource));
  sets_.emplace(hash, Set{{resources.begin(), resources.end()}, set});
  return set;
}

void Wire::sweep() {
  std::erase_if(sets_, [](const auto& entry) { return entry.second.set.expired(); });
  std::erase_if(forms_, [](const auto& entry) { return entry.second.source.expired(); });
}

}  // namespace control
