// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "localkube/api/catalog.h"
#include "localkube/api/refusal.h"

namespace localkube {

// The rules of ObjectMeta that hold for every kind.
void validate_metadata(const KindRow& row, const Json& object, Problems& problems);
void validate_metadata_update(const Json& object, const Json& old, Problems& problems);

// Empty where the name keeps the rule, else the API's sentence about it.
std::string name_fault(NameRule rule, std::string_view name);
std::string label_key_fault(std::string_view key);
std::string label_value_fault(std::string_view value);

// A random version 4 UUID, and the five letters after a generateName.
std::string new_uid();
std::string random_suffix(size_t letters = 5);

}  // namespace localkube
