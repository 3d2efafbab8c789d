// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "localkube/api/custom/custom_kind.h"
#include "localkube/api/openapi_descriptions.h"
#include "localkube/api/openapi_schemas.h"
#include "localkube/api/rest/computed.h"
#include "localkube/api/rest/front.h"
#include "localkube/api/rest/respond.h"
#include "localkube/version.h"

namespace localkube {

namespace {

std::string document_path(const std::string& group, const std::string& version) {
  return group.empty() ? "api/" + version : "apis/" + group + "/" + version;
}

Json query(const char* name, const char* type) {
  return {{"name", name}, {"in", "query"}, {"schema", {{"type", type}, {"uniqueItems", true}}}};
}

Json operation(const KindRow& row, const std::string& version, const char* action, bool writes) {
  Json made = {{"operationId", std::string(action) + row.kind},
               {"responses", {{"200", {{"description", "OK"}}}}},
               {"x-kubernetes-action", action},
               {"x-kubernetes-group-version-kind", {{"group", row.group}, {"version", version}, {"kind", row.kind}}}};
  if (writes)
    made["parameters"] =
        Json::array({query("dryRun", "string"), query("fieldManager", "string"), query("fieldValidation", "string")});
  return made;
}

// What is served, stored or not.
std::vector<KindPointer> served_rows(const Catalog& catalog) {
  std::vector<KindPointer> rows = catalog.all();
  rows.insert(rows.end(), computed_kinds().begin(), computed_kinds().end());
  return rows;
}

bool is_computed(const KindPointer& row) { return std::ranges::find(computed_kinds(), row) != computed_kinds().end(); }

Json paths_of(const KindRow& row, const std::string& version, bool writable) {
  std::string base = "/" + document_path(row.group, version);
  if (row.namespaced) base += "/namespaces/{namespace}";
  base += "/" + row.plural;
  if (!writable)
    return {{base, {{"get", operation(row, version, "list", false)}}},
            {base + "/{name}", {{"get", operation(row, version, "get", false)}}}};
  return {{base, {{"get", operation(row, version, "list", false)}, {"post", operation(row, version, "post", true)}}},
          {base + "/{name}",
           {{"get", operation(row, version, "get", false)},
            {"put", operation(row, version, "put", true)},
            {"patch", operation(row, version, "patch", true)},
            {"delete", operation(row, version, "delete", true)}}}};
}

Json document_of(const Catalog& catalog, const std::string& group, const std::string& version) {
  Json paths = Json::object(), schemas = Json::object();
  for (const KindPointer& row : served_rows(catalog)) {
    if (row->group != group || !row->serves(version)) continue;
    const bool computed = is_computed(row);
    paths.update(paths_of(*row, version, !computed));
    if (computed)
      add_schema(*row, version, computed_schema(*row), schemas);
    else
      add_schemas(*row, version, schemas);
  }
  describe(schemas);
  return {{"openapi", "3.0.0"},
          {"info", {{"title", "Kubernetes"}, {"version", kKubernetesVersion}}},
          {"paths", std::move(paths)},
          {"components", {{"schemas", std::move(schemas)}}}};
}

}  // namespace

bool serve_openapi(const Catalog& catalog, http::Exchange& exchange) {
  std::string_view path = exchange.request().path_only();
  if (!path.starts_with("/openapi/")) return false;
  if (path == "/openapi/v3" || path == "/openapi/v3/") {
    std::string hash = std::to_string(catalog.generation());
    Json paths = Json::object();
    for (const KindPointer& row : served_rows(catalog))
      for (const std::string& version : row->versions) {
        std::string key = document_path(row->group, version);
        paths[key] = {{"serverRelativeURL", "/openapi/v3/" + key + "?hash=" + hash}};
      }
    respond_json(exchange, 200, {{"paths", std::move(paths)}});
    return true;
  }
  // kubectl falls back to this document for kinds it does not find; a minimal one lets it say so itself.
  if (path == "/openapi/v2") {
    exchange.respond(200,
                     std::string("\x0a\x03"
                                 "2.0"),
                     "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
    return true;
  }
  constexpr std::string_view prefix = "/openapi/v3/";
  if (path.starts_with(prefix)) {
    for (const KindPointer& row : served_rows(catalog))
      for (const std::string& version : row->versions)
        if (document_path(row->group, version) == path.substr(prefix.size())) {
          respond_json(exchange, 200, document_of(catalog, row->group, version));
          return true;
        }
  }
  exchange.respond(404, "404 page not found\n");
  return true;
}

}  // namespace localkube
