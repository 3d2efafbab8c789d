// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "localkube/api/catalog.h"

namespace localkube {

// One served version of a custom kind.
struct CustomVersion {
  Json schema;  // openAPIV3Schema
  std::vector<Column> columns;
  bool has_status = false;
  bool has_scale = false;
  std::string replicas_path;  // ".spec.replicas"
  std::string status_replicas_path;
  std::string selector_path;
};

// What a CustomResourceDefinition says of its kind. Objects are stored once and
// shown in every served version with only apiVersion rewritten (conversion None).
struct CustomKind {
  std::map<std::string, CustomVersion, std::less<>> versions;
};

// The row of a CRD's document; null where nothing of it is served.
KindPointer custom_row(const Json& crd);

// True for a built-in kind with status, or a custom one whose version has the subresource.
bool custom_has_status(const KindRow& row, std::string_view version);

// The schema's rules of a custom kind; nothing for built-in ones. `old` is null for a new object.
void validate_custom(const KindRow& row, std::string_view version, const Json& object, const Json* old,
                     Problems& problems);

}  // namespace localkube
