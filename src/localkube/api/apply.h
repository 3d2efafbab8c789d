// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "localkube/api/call.h"
#include "localkube/api/catalog.h"

namespace localkube {

// Server-side apply. Fields are owned by those who applied them; metadata's
// managedFields hold the Apply entries only (plain updates are not recorded, so
// they never conflict).
struct Applied {
  Json object;
  Json managed_fields;
};

// The object with the applied document merged in: fields that this manager let
// go and nobody else applied are removed; fields of another manager with a
// different value are a conflict (409), or taken when call.force.
Answer<Applied> apply(const KindRow& row, const std::string& version, const Json& current, const Json& wanted,
                      const Call& call);

// managedFields of a document that its first apply creates.
Json owned_by(const KindRow& row, const std::string& version, const Json& document, const std::string& manager);

}  // namespace localkube
