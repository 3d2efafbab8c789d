// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <cstdlib>

#include "base/json.h"

// What reads as JSON is written and reads as the same value, both as JSON and,
// where a manifest could hold it, as YAML.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto value = base::parse_json(text);
  if (value.has_value() != base::parse_json_document(text).has_value()) std::abort();
  if (!value) return 0;
  if (base::parse_json(value->dump()) != *value) std::abort();
  if (!value->is_structured() || value->empty()) return 0;
  auto documents = base::parse_yaml(base::to_yaml(*value));
  if (!documents || documents->size() != 1) std::abort();
  // YAML knows no difference between 1 and 1.0, JSON texts do.
  if (documents->front() != *value) std::abort();
  return 0;
}
