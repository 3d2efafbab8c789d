// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "localkube/api/custom/custom_kind.h"
#include "localkube/api/custom/schema.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/registry.h"
#include "objects/schema.h"

namespace localkube {

namespace {

// The document's own kind has to be the one of the URL; absent ones are filled in.
Answer<void> check_kind(const KindRow& row, const std::string& version, Json& object) {
  objects::Kind wanted = row.object_kind(version);
  std::string kind = string_at(object, "kind"), api_version = string_at(object, "apiVersion");
  if (kind.empty()) object["kind"] = kind = wanted.kind;
  if (api_version.empty()) object["apiVersion"] = api_version = wanted.api_version();
  if (kind != wanted.kind) {
    auto group = base::cut(api_version, '/');
    objects::Kind given{std::string(group ? group->first : ""), std::string(group ? group->second : api_version), kind};
    std::string package = wanted.group.empty() ? "core" : wanted.group.substr(0, wanted.group.find('.'));
    std::string why = objects::find_schema(given)
                          ? "converting (" + given.version + "." + kind + ") to (" + package + "." + wanted.kind +
                                "): unknown conversion"
                          : "no kind " + in_quotes(kind) + " is registered for version " + in_quotes(api_version) +
                                " in scheme \"pkg/runtime/scheme.go:110\"";
    return std::unexpected(bad_request(kind + " in version " + in_quotes(api_version) + " cannot be handled as a " +
                                       wanted.kind + ": " + why));
  }
  if (api_version != wanted.api_version())
    return std::unexpected(bad_request("the API version in the data (" + api_version +
                                       ") does not match the expected API version (" + wanted.api_version() + ")"));
  return {};
}

Answer<void> report_unknown(const KindRow& row, const std::string& version, const std::vector<std::string>& unknown,
                            Call& call) {
  if (unknown.empty() || call.validation == FieldValidation::Ignore) return {};
  std::vector<std::string> sentences;
  for (const std::string& path : unknown) sentences.push_back("unknown field " + in_quotes(path));
  if (call.validation == FieldValidation::Warn) {
    call.warnings.insert(call.warnings.end(), sentences.begin(), sentences.end());
    return {};
  }
  return std::unexpected(bad_request(row.kind + " in version " + in_quotes(version) + " cannot be handled as a " +
                                     row.kind + ": strict decoding error: " + base::join(sentences, ", ")));
}

void conform_custom(const KindRow& row, const std::string& version, Json& object, std::vector<std::string>& unknown) {
  auto it = row.custom->versions.find(version);
  if (it == row.custom->versions.end()) return;
  Json head = Json::object();
  for (const char* key : {"apiVersion", "kind", "metadata"})
    if (auto found = object.find(key); found != object.end()) {
      head[key] = std::move(*found);
      object.erase(found);
    }
  prune(object, it->second.schema, "", unknown);
  fill_defaults(object, it->second.schema);
  for (const char* key : {"labels", "annotations", "finalizers", "ownerReferences", "creationTimestamp"})
    if (const Json* value = base::find(head, "metadata", key); value && (value->is_null() || value->empty()))
      head["metadata"].erase(key);
  object.update(head);
}

}  // namespace

Answer<void> conform(const KindRow& row, const std::string& version, Json& object, Call& call) {
  TRY(check_kind(row, version, object));
  std::vector<std::string> unknown;
  if (row.custom) {
    conform_custom(row, version, object, unknown);
  } else if (const objects::Schema* schema = objects::find_schema(row.object_kind(version))) {
    auto found = schema->conform(object);
    if (!found)
      return std::unexpected(bad_request(row.kind + " in version " + in_quotes(version) + " cannot be handled as a " +
                                         row.kind + ": " + found.error().message));
    unknown = std::move(*found);
  }
  TRY(report_unknown(row, version, unknown, call));
  if (row.rules.defaults && !row.to_stored) row.rules.defaults(object);
  return {};
}

}  // namespace localkube
