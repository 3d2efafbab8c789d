// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/custom/custom_kind.h"

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "localkube/api/custom/schema.h"
#include "localkube/api/custom/schema_check.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/kinds/kinds.h"
#include "localkube/api/metadata.h"

namespace localkube {

namespace {

// Kubernetes' order of versions: v2 before v1 before v1beta2 before v1alpha1, then others by name.
std::tuple<int, int, int> version_rank(std::string_view version) {
  if (!version.starts_with('v')) return {0, 0, 0};
  size_t digits = version.find_first_not_of("0123456789", 1);
  auto major = base::parse_number<int>(version.substr(1, digits == version.npos ? digits : digits - 1));
  if (!major) return {0, 0, 0};
  if (digits == version.npos) return {3, *major, 0};
  for (auto [word, rank] : {std::pair("beta", 2), std::pair("alpha", 1)})
    if (version.substr(digits).starts_with(word))
      if (auto minor = base::parse_number<int>(version.substr(digits + std::string_view(word).size())))
        return {rank, *major, *minor};
  return {0, 0, 0};
}

CustomVersion version_of(const Json& document) {
  CustomVersion made;
  const Json* schema = base::find(document, "schema", "openAPIV3Schema");
  if (schema && schema->is_object()) made.schema = *schema;
  made.has_status = base::find(document, "subresources", "status") != nullptr;
  if (const Json* scale = base::find(document, "subresources", "scale")) {
    made.has_scale = true;
    made.replicas_path = string_at(*scale, "specReplicasPath");
    made.status_replicas_path = string_at(*scale, "statusReplicasPath");
    made.selector_path = string_at(*scale, "labelSelectorPath");
  }
  for (const Json& column : items(document, "additionalPrinterColumns"))
    made.columns.push_back({.name = string_at(column, "name"),
                            .type = string_at(column, "type"),
                            .format = string_at(column, "format"),
                            .priority = static_cast<int>(number(column, "priority")),
                            .description = string_at(column, "description"),
                            .json_path = string_at(column, "jsonPath")});
  if (items(document, "additionalPrinterColumns").empty())
    made.columns.push_back({.name = "Age", .type = "date", .json_path = ".metadata.creationTimestamp"});
  return made;
}

std::vector<std::string> texts(const Json& list) {
  std::vector<std::string> all;
  for (const Json& one : list)
    if (one.is_string()) all.push_back(one.get<std::string>());
  return all;
}

void crd_defaults(Json& crd) {
  Json& spec = crd["spec"];
  if (!spec.is_object()) spec = Json::object();
  set_default(spec, "conversion", {{"strategy", "None"}});
  Json& names = spec["names"];
  if (!names.is_object()) names = Json::object();
  std::string kind = string_at(names, "kind");
  set_default(names, "singular", base::to_lower(kind));
  set_default(names, "listKind", kind + "List");
}

// The definition is at work from its first moment here, so its status says so.
void crd_status(Json& crd) {
  Json stored = Json::array();
  for (const Json& version : items(crd, "spec", "versions"))
    if (truth(version, "storage")) stored.push_back(version.value("name", Json()));
  std::string now = now_text();
  auto condition = [&](const char* type, const char* reason, const char* message) {
    return Json{
        {"type", type}, {"status", "True"}, {"lastTransitionTime", now}, {"reason", reason}, {"message", message}};
  };
  crd["status"] = {
      {"acceptedNames", crd["spec"]["names"]},
      {"storedVersions", std::move(stored)},
      {"conditions",
       Json::array({condition("NamesAccepted", "NoConflicts", "no conflicts found"),
                    condition("Established", "InitialNamesAccepted", "the initial names have been accepted")})}};
}

void crd_update(Json& crd, const Json& old) {
  crd_defaults(crd);
  crd["status"] = old.value("status", Json::object());
  crd["status"]["acceptedNames"] = crd["spec"]["names"];
}

// Kubernetes' own groups are its own: those served here, and all below k8s.io
// and kubernetes.io unless their makers say that it was agreed.
void validate_group(const Json& crd, const std::string& group, Problems& problems) {
  constexpr const char* kApproved = "api-approved.kubernetes.io";
  std::string fault = name_fault(NameRule::Subdomain, group);
  if (!fault.empty())
    problems.invalid("spec.group", in_quotes(group), fault);
  else if (group.find('.') == group.npos)
    problems.invalid("spec.group", in_quotes(group), "should be a domain with at least one dot");
  for (const KindRow& row : builtin_kinds())
    if (!row.group.empty() && row.group == group)
      return problems.forbidden("spec.group", in_quotes(group) + " is a group of the server's own kinds");
  bool kept =
      group == "k8s.io" || group == "kubernetes.io" || group.ends_with(".k8s.io") || group.ends_with(".kubernetes.io");
  if (kept && base::text(crd, "metadata", "annotations", kApproved).empty())
    problems.required("metadata.annotations[" + std::string(kApproved) + "]",
                      "protected groups must have approval annotation " + in_quotes(kApproved) +
                          ", see https://github.com/kubernetes/enhancements/pull/1111");
}

void validate_names(const Json& crd, Problems& problems) {
  for (const char* key : {"plural", "kind"}) {
    std::string name = string_at(crd, "spec", "names", key), field = "spec.names." + std::string(key);
    if (name.empty())
      problems.required(field);
    else if (std::string fault = name_fault(NameRule::ServiceLabel, base::to_lower(name)); !fault.empty())
      problems.invalid(field, in_quotes(name), fault);
  }
}

void validate_crd(const Json& crd, Problems& problems) {
  std::string group = string_at(crd, "spec", "group"), plural = string_at(crd, "spec", "names", "plural");
  std::string name = string_at(crd, "metadata", "name");
  if (name != plural + "." + group)
    problems.invalid("metadata.name", in_quotes(name), "must be spec.names.plural+\".\"+spec.group");
  validate_group(crd, group, problems);
  validate_names(crd, problems);
  std::string scope = string_at(crd, "spec", "scope");
  if (scope != "Namespaced" && scope != "Cluster")
    problems.not_supported("spec.scope", in_quotes(scope), {"Cluster", "Namespaced"});
  std::string conversion = string_at(crd, "spec", "conversion", "strategy");
  if (conversion != "None")
    problems.forbidden("spec.conversion.strategy", "this server converts only by strategy None");
  const Json& versions = items(crd, "spec", "versions");
  size_t storage = 0;
  std::set<std::string> seen;
  for (size_t i = 0; i < versions.size(); ++i) {
    std::string path = "spec.versions[" + std::to_string(i) + "]";
    std::string version = string_at(versions[i], "name");
    if (version.empty())
      problems.required(path + ".name");
    else if (std::string fault = name_fault(NameRule::ServiceLabel, version); !fault.empty())
      problems.invalid(path + ".name", in_quotes(version), fault);
    else if (!seen.insert(version).second)
      problems.duplicate(path + ".name", in_quotes(version));
    if (truth(versions[i], "storage")) ++storage;
    std::string where = path + ".schema.openAPIV3Schema";
    if (const Json* schema = base::find(versions[i], "schema", "openAPIV3Schema"); schema && !schema->is_null())
      check_schema(*schema, where, problems);
    else
      problems.required(where, "schemas are required");
  }
  if (versions.empty())
    problems.required("spec.versions");
  else if (storage != 1)
    problems.invalid("spec.versions", "[]", "must have exactly one version marked as storage version");
}

std::vector<Json> crd_cells(const Json& crd) { return {string_at(crd, "metadata", "creationTimestamp")}; }

}  // namespace

KindPointer custom_row(const Json& crd) {
  auto row = std::make_shared<KindRow>();
  auto custom = std::make_shared<CustomKind>();
  row->group = string_at(crd, "spec", "group");
  row->kind = string_at(crd, "spec", "names", "kind");
  row->plural = string_at(crd, "spec", "names", "plural");
  row->singular = string_at(crd, "spec", "names", "singular");
  row->list = string_at(crd, "spec", "names", "listKind");
  row->namespaced = base::text(crd, "spec", "scope") == "Namespaced";
  row->short_names = texts(items(crd, "spec", "names", "shortNames"));
  row->categories = texts(items(crd, "spec", "names", "categories"));
  row->counts_generations = true;
  for (const Json& document : items(crd, "spec", "versions")) {
    if (!truth(document, "served")) continue;
    std::string name = string_at(document, "name");
    CustomVersion version = version_of(document);
    row->has_status = row->has_status || version.has_status;
    row->has_scale = row->has_scale || version.has_scale;
    row->versions.push_back(name);
    custom->versions.emplace(name, std::move(version));
  }
  if (row->versions.empty()) return nullptr;
  std::stable_sort(row->versions.begin(), row->versions.end(),
                   [](const auto& a, const auto& b) { return version_rank(a) > version_rank(b); });
  row->custom = std::move(custom);
  return row;
}

bool custom_has_status(const KindRow& row, std::string_view version) {
  if (!row.custom) return row.has_status;
  auto it = row.custom->versions.find(version);
  return it != row.custom->versions.end() && it->second.has_status;
}

void validate_custom(const KindRow& row, std::string_view version, const Json& object, const Json*,
                     Problems& problems) {
  if (!row.custom) return;
  auto it = row.custom->versions.find(version);
  if (it != row.custom->versions.end()) validate_value(object, it->second.schema, "", problems);
}

KindRow custom_resource_definitions() {
  return {.group = "apiextensions.k8s.io",
          .versions = {"v1"},
          .kind = "CustomResourceDefinition",
          .plural = "customresourcedefinitions",
          .singular = "customresourcedefinition",
          .namespaced = false,
          .short_names = {"crd", "crds"},
          .categories = {"api-extensions"},
          .has_status = true,
          .counts_generations = true,
          .columns = {{"Created At", "date"}},
          .rules = {.defaults = crd_defaults,
                    .prepare_create = crd_status,
                    .prepare_update = crd_update,
                    .validate = validate_crd,
                    .cells = crd_cells}};
}

}  // namespace localkube
