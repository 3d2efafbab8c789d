// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/json_patch.h"

#include "localkube/api/refusal.h"

namespace localkube {

Answer<Json> json_patched(const Json& document, const Json& patch) {
  if (!patch.is_array())
    return std::unexpected(bad_request(
        "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"));
  try {
    return document.patch(patch);  // throws; the one place that calls it
  } catch (const Json::exception&) {
    return std::unexpected(
        Refusal{422, "Invalid", "the server rejected our request due to an error in our request", Json::object()});
  }
}

Answer<Json> merge_patched(const Json& document, const Json& patch) {
  if (!patch.is_object())
    return std::unexpected(bad_request(
        "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"));
  Json merged = document;
  merged.merge_patch(patch);
  return merged;
}

}  // namespace localkube
