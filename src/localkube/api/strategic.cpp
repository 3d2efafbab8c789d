// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/strategic.h"

#include "localkube/api/refusal.h"
#include "objects/patch.h"

namespace localkube {

std::string merge_key(const objects::Kind& kind, const std::vector<std::string>& path) {
  const objects::Schema* schema = objects::find_schema(kind);
  return schema ? std::string(objects::list_key(*schema, path)) : std::string();
}

Answer<Json> strategic_patched(const objects::Kind& kind, const Json& document, const Json& patch) {
  if (!patch.is_object())
    return std::unexpected(bad_request(
        "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"));
  const objects::Schema* schema = objects::find_schema(kind);
  return schema ? objects::strategic_patched(*schema, document, patch) : objects::merge_patched(document, patch);
}

}  // namespace localkube
