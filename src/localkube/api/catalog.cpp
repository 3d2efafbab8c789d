// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/catalog.h"

#include <algorithm>

#include "localkube/api/kinds/kinds.h"

namespace localkube {

std::string KindRow::stored_in() const {
  if (!table.empty()) return table;
  return group.empty() ? plural : group + "/" + plural;
}

objects::Resource KindRow::resource(std::string_view version) const {
  return {group, std::string(version.empty() ? std::string_view(versions.front()) : version), plural};
}

objects::Kind KindRow::object_kind(std::string_view version) const {
  return {group, std::string(version.empty() ? std::string_view(versions.front()) : version), kind};
}

bool KindRow::serves(std::string_view version) const {
  return std::find(versions.begin(), versions.end(), version) != versions.end();
}

Catalog::Catalog() {
  for (KindRow& row : builtin_kinds()) builtin_.push_back(std::make_shared<const KindRow>(std::move(row)));
}

std::vector<KindPointer> Catalog::all() const {
  std::vector<KindPointer> rows = builtin_;
  for (const auto& [name, row] : custom_) rows.push_back(row);
  return rows;
}

KindPointer Catalog::find(std::string_view group, std::string_view version, std::string_view plural) const {
  auto fits = [&](const KindPointer& row) {
    return row->plural == plural && row->group == group && row->serves(version);
  };
  for (const KindPointer& row : builtin_)
    if (fits(row)) return row;
  auto it = custom_.find(std::string(plural) + "." + std::string(group));
  return it != custom_.end() && fits(it->second) ? it->second : nullptr;
}

KindPointer Catalog::find_kind(std::string_view group, std::string_view version, std::string_view kind) const {
  for (const KindPointer& row : all())
    if (row->kind == kind && row->group == group && row->serves(version)) return row;
  return nullptr;
}

KindPointer Catalog::find_resource(const objects::Resource& resource) const {
  return find(resource.group, resource.version, resource.plural);
}

void Catalog::set_custom(const std::string& crd_name, KindPointer row) {
  ++generation_;
  if (row)
    custom_[crd_name] = std::move(row);
  else
    custom_.erase(crd_name);
}

}  // namespace localkube
