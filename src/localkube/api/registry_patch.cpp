// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/apply.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/registry.h"
#include "localkube/api/scale.h"
#include "objects/patch.h"

namespace localkube {

namespace {

constexpr const char* kCustomPatches =
    "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";

// What is no patch is 400, what does not apply 422; the API says no more of it.
Answer<Json> json_patched(const Json& document, const Json& patch) {
  if (!patch.is_array())
    return std::unexpected(bad_request(
        "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"));
  auto changed = objects::json_patched(document, patch);
  if (changed) return std::move(*changed);
  return std::unexpected(
      Refusal{422, "Invalid", "the server rejected our request due to an error in our request", Json::object()});
}

Answer<void> check_map(const Json& patch) {
  if (patch.is_object()) return {};
  return std::unexpected(
      bad_request("error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"));
}

Answer<Json> merge_patched(const Json& document, const Json& patch) {
  TRY(check_map(patch));
  return objects::merge_patched(document, patch);
}

Refusal no_manager() {
  Problems problems;
  problems.required("fieldManager", "is required for apply patch");
  return invalid({"meta.k8s.io", "v1", "PatchOptions"}, "", problems);
}

}  // namespace

Answer<Json> patched(const KindRow& row, const std::string& version, PatchType type, const Json& current,
                     const Json& patch) {
  switch (type) {
    case PatchType::Json:
      return json_patched(current, patch);
    case PatchType::Merge:
      return merge_patched(current, patch);
    case PatchType::Strategic: {
      const objects::Schema* schema = objects::find_schema(row.object_kind(version));
      if (!schema) return std::unexpected(unsupported_media_type(kCustomPatches));
      TRY(check_map(patch));
      return objects::strategic_patched(*schema, current, patch);
    }
    case PatchType::Apply:
      break;
  }
  return std::unexpected(unsupported_media_type(kCustomPatches));
}

net::Task<Answer<objects::Object>> Registry::patch_object(Target target, PatchType type, Json patch, CallPointer call,
                                                          std::shared_ptr<bool> created) {
  if (type == PatchType::Apply) {
    if (call->field_manager.empty()) co_return std::unexpected(no_manager());
    if (!patch.is_object()) co_return std::unexpected(bad_request("an apply patch must be an object"));
    if (!store_.latest(key_of(target)) && target.subresource.empty()) {
      std::string said = string_at(patch, "metadata", "name");
      if (!said.empty() && said != target.name)
        co_return std::unexpected(bad_request("the name of the object (" + said +
                                              ") does not match the name on the URL (" + target.name + ")"));
      patch["metadata"]["name"] = target.name;
      patch["metadata"]["managedFields"] = owned_by(*target.row, target.version, patch, call->field_manager);
      if (created) *created = true;
      auto made = co_await create_object(std::move(target), std::move(patch), std::move(call));
      co_return made;
    }
  }
  Transform transform = [this, target, type, patch = std::move(patch), call](const Json& current) -> Answer<Json> {
    const KindRow& row = *target.row;
    if (target.subresource == "scale") {
      Json scale = scale_of(row, target.version, current);
      Json wanted = TRY(type == PatchType::Json ? json_patched(scale, patch) : merge_patched(scale, patch));
      return with_scale(row, target.version, current, wanted);
    }
    if (type != PatchType::Apply) {
      Json wanted = TRY(patched(row, target.version, type, current, patch));
      return merged_update(target, current, std::move(wanted));
    }
    Applied applied = TRY(apply(row, target.version, current, patch, *call));
    Json wanted = TRY(merged_update(target, current, std::move(applied.object)));
    wanted["metadata"]["managedFields"] = std::move(applied.managed_fields);
    return wanted;
  };
  if (target.subresource == "scale") target.subresource.clear();
  auto answer = co_await modify(std::move(target), std::move(transform), std::move(call));
  co_return answer;
}

}  // namespace localkube
