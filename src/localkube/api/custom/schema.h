// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "localkube/api/refusal.h"

namespace localkube {

// The structural schemas of CRDs (apiextensions.k8s.io/v1 JSONSchemaProps), kept
// as JSON. x-kubernetes-validations (CEL) are not evaluated.

// Drops fields that the schema does not name, but for those under
// x-kubernetes-preserve-unknown-fields; their paths go to `unknown`.
void prune(Json& value, const Json& schema, const std::string& path, std::vector<std::string>& unknown);

// Sets `default` where a field is absent.
void fill_defaults(Json& value, const Json& schema);

// Types, required fields, enums, bounds, patterns, formats, oneOf/anyOf/allOf/not.
void validate_value(const Json& value, const Json& schema, const std::string& path, Problems& problems);

}  // namespace localkube
