// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/api/catalog.h"

namespace localkube {

// Adds the OpenAPI v3 schemas of a kind, and of all it refers to, by the names
// that kubectl explain and validation look up.
void add_schemas(const KindRow& row, const std::string& version, Json& schemas);
// The same for a kind with this schema, to which what all kinds share is added.
void add_schema(const KindRow& row, const std::string& version, Json schema, Json& schemas);

}  // namespace localkube
