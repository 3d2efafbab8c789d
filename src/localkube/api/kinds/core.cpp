// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/kinds/kinds.h"

namespace localkube {

namespace {

void namespace_defaults(Json& ns) {
  std::string name = string_at(ns, "metadata", "name");
  if (name.empty()) return;
  Json& labels = ns["metadata"]["labels"];
  if (!labels.is_object()) labels = Json::object();
  set_default(labels, "kubernetes.io/metadata.name", name);
}

void namespace_create(Json& ns) {
  ns["status"] = {{"phase", "Active"}};
  Json& finalizers = ns["spec"]["finalizers"];
  if (!finalizers.is_array()) finalizers = Json::array();
  for (const Json& one : finalizers)
    if (one == "kubernetes") return;
  finalizers.push_back("kubernetes");
}

// Only the subresource finalize changes these.
void namespace_update(Json& ns, const Json& old) {
  const Json* finalizers = base::find(old, "spec", "finalizers");
  if (finalizers)
    ns["spec"]["finalizers"] = *finalizers;
  else if (Json* spec = at(ns, "spec"))
    spec->erase("finalizers");
}

std::vector<Json> namespace_cells(const Json& ns) { return {string_at(ns, "status", "phase"), age_of(ns)}; }

std::string node_status(const Json& node) {
  std::string text = "Unknown";
  for (const Json& condition : items(node, "status", "conditions"))
    if (base::text(condition, "type") == "Ready")
      text = base::text(condition, "status") == "True" ? "Ready" : "NotReady";
  if (truth(node, "spec", "unschedulable")) text += ",SchedulingDisabled";
  return text;
}

std::string node_roles(const Json& node) {
  constexpr std::string_view prefix = "node-role.kubernetes.io/";
  std::vector<std::string> roles;
  if (const Json* labels = base::find(node, "metadata", "labels"); labels && labels->is_object())
    for (const auto& [key, value] : labels->items())
      if (key.starts_with(prefix) && key.size() > prefix.size()) roles.push_back(key.substr(prefix.size()));
  return join_or_none(roles);
}

std::vector<Json> node_cells(const Json& node) {
  auto address = [&](std::string_view type) {
    for (const Json& one : items(node, "status", "addresses"))
      if (base::text(one, "type") == type) return string_at(one, "address");
    return std::string("<none>");
  };
  auto fact = [&](const char* key) {
    std::string text = string_at(node, "status", "nodeInfo", key);
    return text.empty() ? std::string("<unknown>") : text;
  };
  return {node_status(node),
          node_roles(node),
          age_of(node),
          string_at(node, "status", "nodeInfo", "kubeletVersion"),
          address("InternalIP"),
          address("ExternalIP"),
          fact("osImage"),
          fact("kernelVersion"),
          fact("containerRuntimeVersion")};
}

// The two faces of events: field of core/v1, field of events.k8s.io/v1.
constexpr std::pair<const char*, const char*> kEventFields[] = {{"involvedObject", "regarding"},
                                                                {"message", "note"},
                                                                {"source", "deprecatedSource"},
                                                                {"firstTimestamp", "deprecatedFirstTimestamp"},
                                                                {"lastTimestamp", "deprecatedLastTimestamp"},
                                                                {"count", "deprecatedCount"},
                                                                {"reportingComponent", "reportingController"}};

void rename(Json& object, const char* from, const char* to) {
  auto it = object.find(from);
  if (it == object.end()) return;
  Json value = std::move(*it);
  object.erase(it);
  object[to] = std::move(value);
}

void event_to_stored(Json& event) {
  for (auto [core, other] : kEventFields) rename(event, other, core);
  event["apiVersion"] = "v1";
}
void event_from_stored(Json& event) {
  for (auto [core, other] : kEventFields) rename(event, core, other);
  event["apiVersion"] = "events.k8s.io/v1";
}

std::vector<Json> event_cells(const Json& event) {
  auto first_of = [&](std::initializer_list<const char*> keys) {
    for (const char* key : keys)
      if (std::string text = string_at(event, key); !text.empty()) return text;
    return string_at(event, "metadata", "creationTimestamp");
  };
  std::string last = first_of({"lastTimestamp"});
  if (std::string series = string_at(event, "series", "lastObservedTime"); !series.empty())
    last = series;
  else if (string_at(event, "lastTimestamp").empty())
    last = first_of({"eventTime", "firstTimestamp"});
  std::string first = first_of({"firstTimestamp", "eventTime"});
  int64_t count = number(event, "series", "count");
  if (count == 0) count = number(event, "count");
  if (count == 0) count = 1;
  std::string kind = base::to_lower(base::text(event, "involvedObject", "kind"));
  std::string target = string_at(event, "involvedObject", "name");
  if (!kind.empty()) target = kind + "/" + target;
  std::string component = string_at(event, "source", "component"), host = string_at(event, "source", "host");
  if (component.empty()) component = string_at(event, "reportingComponent");
  if (host.empty()) host = string_at(event, "reportingInstance");
  std::string source = host.empty() ? component : component + ", " + host;
  std::string text(base::trim(base::text(event, "message")));
  return {age_text(last),
          string_at(event, "type"),
          string_at(event, "reason"),
          target,
          string_at(event, "involvedObject", "fieldPath"),
          source,
          text,
          age_text(first),
          count,
          string_at(event, "metadata", "name")};
}

const std::vector<Column> kEventColumns = {{"Last Seen"},
                                           {"Type"},
                                           {"Reason"},
                                           {"Object"},
                                           {"Subobject", "string", "", 1},
                                           {"Source", "string", "", 1},
                                           {"Message"},
                                           {"First Seen", "string", "", 1},
                                           {"Count", "string", "", 1},
                                           {"Name", "string", "name", 1}};

}  // namespace

KindRow namespaces() {
  return {.group = "",
          .versions = {"v1"},
          .kind = "Namespace",
          .plural = "namespaces",
          .singular = "namespace",
          .namespaced = false,
          .short_names = {"ns"},
          .has_status = true,
          .returns_deleted = true,
          .name_rule = NameRule::Label,
          .columns = {{"Status"}, {"Age"}},
          .rules = {.defaults = namespace_defaults,
                    .prepare_create = namespace_create,
                    .prepare_update = namespace_update,
                    .cells = namespace_cells,
                    .selectable = {"status.phase"}}};
}

KindRow nodes() {
  return {.group = "",
          .versions = {"v1"},
          .kind = "Node",
          .plural = "nodes",
          .singular = "node",
          .namespaced = false,
          .short_names = {"no"},
          .has_status = true,
          .columns = {{"Status"},
                      {"Roles"},
                      {"Age"},
                      {"Version"},
                      {"Internal-IP", "string", "", 1},
                      {"External-IP", "string", "", 1},
                      {"OS-Image", "string", "", 1},
                      {"Kernel-Version", "string", "", 1},
                      {"Container-Runtime", "string", "", 1}},
          .rules = {.cells = node_cells, .selectable = {"spec.unschedulable"}}};
}

KindRow events() {
  return {.group = "",
          .versions = {"v1"},
          .kind = "Event",
          .plural = "events",
          .singular = "event",
          .short_names = {"ev"},
          .columns = kEventColumns,
          .rules = {.cells = event_cells,
                    .selectable = {"involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
                                   "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion",
                                   "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type"}}};
}

KindRow new_events() {
  KindRow row = events();
  row.group = "events.k8s.io";
  row.table = "events";
  row.to_stored = event_to_stored;
  row.from_stored = event_from_stored;
  return row;
}

std::vector<KindRow> builtin_kinds() {
  std::vector<KindRow> rows = {namespaces(), nodes(), pods(), services(), endpoints(), events()};
  for (auto more : {data_kinds, workload_kinds, policy_kinds, absent_kinds})
    for (KindRow& row : more()) rows.push_back(std::move(row));
  rows.push_back(new_events());
  rows.push_back(endpoint_slices());
  rows.push_back(custom_resource_definitions());
  // Rows of one group stand together, in the order in which groups first appear.
  std::vector<KindRow> sorted;
  while (!rows.empty()) {
    std::string group = rows.front().group;
    for (KindRow& row : rows)
      if (row.group == group) sorted.push_back(row);
    std::erase_if(rows, [&](const KindRow& row) { return row.group == group; });
  }
  return sorted;
}

}  // namespace localkube
