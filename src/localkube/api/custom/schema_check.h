// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "localkube/api/refusal.h"

namespace localkube {

// What is wrong with a CRD's schema (apiextensions.k8s.io/v1 JSONSchemaProps) at
// `path`: members of the wrong type, patterns that do not compile, bounds below
// zero, defaults that their own schema refuses, and what is not structural. A
// schema that passes is enforced in full, but for x-kubernetes-validations.
void check_schema(const Json& schema, const std::string& path, Problems& problems);

}  // namespace localkube
