// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <cstdlib>

#include "base/json.h"

// What reads as YAML is JSON, is written as YAML and reads as the same value.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto documents = base::parse_yaml({reinterpret_cast<const char*>(data), size});
  if (!documents) return 0;
  for (const base::Json& document : *documents) {
    if (!document.is_structured() || document.empty()) continue;
    if (base::parse_json(document.dump()) != document) std::abort();
    auto again = base::parse_yaml(base::to_yaml(document));
    if (!again || again->size() != 1 || again->front() != document) std::abort();
  }
  return 0;
}
