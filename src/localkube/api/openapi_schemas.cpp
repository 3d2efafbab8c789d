// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/openapi_schemas.h"

#include "base/strings.h"
#include "localkube/api/custom/custom_kind.h"
#include "objects/openapi.h"
#include "objects/schema.h"

namespace localkube {

namespace {

// "org.example.v1.Thing" for example.org
std::string schema_name(const KindRow& row, const std::string& version) {
  std::string group = row.group.empty() ? "core.api.k8s.io" : row.group;
  std::string name;
  for (std::string_view piece : base::split(group, '.')) name = std::string(piece) + (name.empty() ? "" : "." + name);
  return name + "." + version + "." + row.kind;
}

}  // namespace

void add_schemas(const KindRow& row, const std::string& version, Json& schemas) {
  if (!row.custom) {
    objects::Kind kind = row.object_kind(version);
    if (const objects::Schema* known = objects::find_schema(kind)) {
      objects::add_kind_schema(kind, *known, schemas);
      return;
    }
  }
  Json schema = {{"type", "object"}};
  if (row.custom)
    if (auto it = row.custom->versions.find(version); it != row.custom->versions.end() && it->second.schema.is_object())
      schema = it->second.schema;
  add_schema(row, version, std::move(schema), schemas);
}

void add_schema(const KindRow& row, const std::string& version, Json schema, Json& schemas) {
  Json& properties = schema["properties"];
  if (!properties.is_object()) properties = Json::object();
  properties["apiVersion"] = {{"type", "string"},
                              {"description", "The version of the API that this document is written in."}};
  properties["kind"] = {{"type", "string"}, {"description", "What this document describes."}};
  properties["metadata"] = {{"type", "object"},
                            {"description", "Name, namespace, labels and what else all kinds share."}};
  schema["x-kubernetes-group-version-kind"] =
      Json::array({{{"group", row.group}, {"version", version}, {"kind", row.kind}}});
  schemas[schema_name(row, version)] = std::move(schema);
}

}  // namespace localkube
