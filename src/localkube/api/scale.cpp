// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/scale.h"

#include "base/strings.h"
#include "localkube/api/custom/custom_kind.h"
#include "localkube/api/custom/json_path.h"
#include "localkube/api/kinds/document.h"

namespace localkube {

namespace {

const CustomVersion* custom_version(const KindRow& row, std::string_view version) {
  if (!row.custom) return nullptr;
  auto it = row.custom->versions.find(version);
  return it == row.custom->versions.end() ? nullptr : &it->second;
}

Json count_at(const Json& object, const std::string& path) {
  const Json* found = value_at(object, path);
  return found && found->is_number_integer() ? *found : Json(0);
}

}  // namespace

Json scale_of(const KindRow& row, std::string_view version, const Json& object) {
  const CustomVersion* custom = custom_version(row, version);
  std::string selector = selector_text(base::find(object, "spec", "selector"));
  if (custom) {
    const Json* found = custom->selector_path.empty() ? nullptr : value_at(object, custom->selector_path);
    selector = found && found->is_string() ? found->get<std::string>() : "";
  }
  Json metadata = Json::object();
  for (const char* key : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"})
    if (const Json* value = base::find(object, "metadata", key)) metadata[key] = *value;
  Json status = {{"replicas", count_at(object, custom ? custom->status_replicas_path : ".status.replicas")}};
  if (!selector.empty() && selector != "<none>") status["selector"] = selector;
  return {{"kind", "Scale"},
          {"apiVersion", "autoscaling/v1"},
          {"metadata", std::move(metadata)},
          {"spec", {{"replicas", count_at(object, custom ? custom->replicas_path : ".spec.replicas")}}},
          {"status", std::move(status)}};
}

Answer<Json> with_scale(const KindRow& row, std::string_view version, const Json& object, const Json& scale) {
  std::string name = string_at(object, "metadata", "name");
  std::string asked = string_at(scale, "metadata", "resourceVersion");
  if (!asked.empty() && asked != base::text(object, "metadata", "resourceVersion"))
    return std::unexpected(modified(row.resource(version), name));
  const Json* replicas = base::find(scale, "spec", "replicas");
  int64_t count = replicas && replicas->is_number_integer() ? replicas->get<int64_t>() : 0;
  if (count < 0) {
    Problems problems;
    problems.invalid("spec.replicas", std::to_string(count), "must be greater than or equal to 0");
    return std::unexpected(invalid({"autoscaling", "v1", "Scale"}, name, problems));
  }
  const CustomVersion* custom = custom_version(row, version);
  Json wanted = object;
  set_value_at(wanted, custom ? custom->replicas_path : ".spec.replicas", count);
  return wanted;
}

}  // namespace localkube
