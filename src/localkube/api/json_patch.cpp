// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/json_patch.h"

#include "localkube/api/refusal.h"
#include "objects/patch.h"

namespace localkube {

Answer<Json> json_patched(const Json& document, const Json& patch) {
  if (!patch.is_array())
    return std::unexpected(bad_request(
        "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"));
  auto result = objects::json_patched(document, patch);
  if (result) return std::move(*result);
  return std::unexpected(
      Refusal{422, "Invalid", "the server rejected our request due to an error in our request", Json::object()});
}

Answer<Json> merge_patched(const Json& document, const Json& patch) {
  if (!patch.is_object())
    return std::unexpected(bad_request(
        "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"));
  return objects::merge_patched(document, patch);
}

}  // namespace localkube
