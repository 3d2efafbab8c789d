// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/api/catalog.h"

namespace localkube {

// Adds the OpenAPI v3 schemas of a kind, and of all it refers to, by the names
// that kubectl explain and validation look up.
void add_schemas(const KindRow& row, const std::string& version, Json& schemas);

}  // namespace localkube
