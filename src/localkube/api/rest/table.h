// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "localkube/api/catalog.h"

namespace localkube {

// What a row of a Table carries beside its cells (includeObject).
enum class RowObject { None, Metadata, Object };

// The meta.k8s.io/v1 Table of some objects of one kind, as that version shows
// them; `metadata` is the list's.
Json table_of(const KindRow& row, std::string_view version, const std::vector<Json>& objects, Json metadata,
              RowObject carried);

Json column_definitions(const KindRow& row, std::string_view version);

// meta.k8s.io/v1 PartialObjectMetadata.
Json metadata_only(const Json& object);

}  // namespace localkube
