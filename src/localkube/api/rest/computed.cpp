// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/rest/computed.h"

#include "localkube/api/kinds/document.h"
#include "localkube/api/rest/respond.h"
#include "localkube/api/rest/table.h"
#include "localkube/api/selectors.h"

namespace localkube {

namespace {

constexpr std::string_view kAggregator = "apiregistration.k8s.io";
const objects::Resource kNamespaces{"", "v1", "namespaces"};
const objects::Resource kCrds{"apiextensions.k8s.io", "v1", "customresourcedefinitions"};

std::vector<Json> service_cells(const Json& service) { return {"Local", "True", age_of(service)}; }

std::vector<Json> component_cells(const Json& component) {
  const Json& healthy = component["conditions"][0];
  bool good = base::text(healthy, "status") == "True";
  return {good ? "Healthy" : "Unhealthy", string_at(healthy, "message"), string_at(healthy, "error")};
}

std::vector<KindPointer> rows() {
  KindRow services{.group = std::string(kAggregator),
                   .versions = {"v1"},
                   .kind = "APIService",
                   .plural = "apiservices",
                   .singular = "apiservice",
                   .namespaced = false,
                   .categories = {"api-extensions"},
                   .columns = {{"Service"}, {"Available"}, {"Age"}},
                   .rules = {.cells = service_cells}};
  KindRow components{.group = "",
                     .versions = {"v1"},
                     .kind = "ComponentStatus",
                     .plural = "componentstatuses",
                     .singular = "componentstatus",
                     .namespaced = false,
                     .short_names = {"cs"},
                     .columns = {{"Status"}, {"Message"}, {"Error"}},
                     .rules = {.cells = component_cells}};
  return {std::make_shared<const KindRow>(std::move(services)), std::make_shared<const KindRow>(std::move(components))};
}

// When the first CRD of a group came; else when the cluster began.
std::string since(const Registry& registry, const std::string& group, bool& custom) {
  std::string first;
  for (const objects::Object& crd : registry.list(kCrds, "")) {
    if (base::text(crd.spec(), "group") != group) continue;
    std::string then = string_at(crd.json(), "metadata", "creationTimestamp");
    if (first.empty() || then < first) first = then;
  }
  custom = !first.empty();
  if (custom) return first;
  auto ns = registry.peek(kNamespaces, "", "default");
  return ns ? string_at(*ns, "metadata", "creationTimestamp") : std::string();
}

std::vector<Json> components(const Registry& registry) {
  std::vector<Json> out;
  auto add = [&](const char* name, const std::string& trouble) {
    Json healthy = {{"type", "Healthy"}, {"status", trouble.empty() ? "True" : "False"}};
    healthy[trouble.empty() ? "message" : "error"] = trouble.empty() ? "ok" : trouble;
    out.push_back({{"apiVersion", "v1"},
                   {"kind", "ComponentStatus"},
                   {"metadata", {{"name", name}, {"creationTimestamp", nullptr}}},
                   {"conditions", Json::array({std::move(healthy)})}});
  };
  add("controller-manager", trouble_of_controllers(registry));
  add("etcd-0", trouble_of_store(registry));
  add("scheduler", trouble_of_scheduler(registry));
  return out;
}

// The whole list, as it was asked for.
Json list_of(const RestRequest& request, std::vector<Json> objects, std::string revision) {
  Json metadata = {{"resourceVersion", std::move(revision)}};
  if (request.shape == Shape::Table) {
    std::string include = request.text("includeObject");
    RowObject carried = include == "None"     ? RowObject::None
                        : include == "Object" ? RowObject::Object
                                              : RowObject::Metadata;
    return table_of(*request.target.row, request.target.version, objects, std::move(metadata), carried);
  }
  bool whole = request.shape == Shape::Object;
  Json items = Json::array();
  for (Json& one : objects) items.push_back(whole ? std::move(one) : metadata_only(one));
  const KindRow& row = *request.target.row;
  return {{"kind", whole ? row.list_kind() : "PartialObjectMetadataList"},
          {"apiVersion", whole ? row.object_kind().api_version() : "meta.k8s.io/v1"},
          {"metadata", std::move(metadata)},
          {"items", std::move(items)}};
}

}  // namespace

// A kube-apiserver's priorities: the core before its other groups, and those before CRDs.
std::vector<Json> api_services(Registry& registry) {
  std::vector<Json> out;
  for (const auto& [group, versions] : served_groups(registry.catalog())) {
    if (group == kAggregator) continue;
    bool custom = false;
    std::string then = since(registry, group, custom);
    int64_t place = custom ? 100 : 15;
    for (const std::string& version : versions) {
      Json available = {{"type", "Available"},
                        {"status", "True"},
                        {"reason", "Local"},
                        {"message", "Local APIServices are always available"},
                        {"lastTransitionTime", then}};
      Json labels = {{"kube-aggregator.kubernetes.io/automanaged", custom ? "true" : "onstart"}};
      out.push_back(
          {{"apiVersion", std::string(kAggregator) + "/v1"},
           {"kind", "APIService"},
           {"metadata", {{"name", version + "." + group}, {"creationTimestamp", then}, {"labels", std::move(labels)}}},
           {"spec",
            {{"group", group},
             {"version", version},
             {"groupPriorityMinimum", group.empty() ? 18000
                                      : custom      ? 1000
                                                    : 17000},
             {"versionPriority", place--}}},
           {"status", {{"conditions", Json::array({std::move(available)})}}}});
    }
  }
  std::ranges::sort(out, {}, [](const Json& one) { return string_at(one, "metadata", "name"); });
  return out;
}

std::vector<std::string> computed_verbs(const KindRow& row) {
  if (row.group == kAggregator) return {"get", "list", "watch"};
  return {"get", "list"};
}

Json computed_schema(const KindRow& row) {
  auto text = [](const char* of) { return Json{{"type", "string"}, {"description", of}}; };
  auto count = [](const char* of) { return Json{{"type", "integer"}, {"format", "int32"}, {"description", of}}; };
  auto object = [](const char* of, Json properties) {
    return Json{{"type", "object"}, {"description", of}, {"properties", std::move(properties)}};
  };
  auto list = [](const char* of, Json item) {
    return Json{{"type", "array"}, {"description", of}, {"items", std::move(item)}};
  };
  if (row.group != kAggregator) {
    Json condition = object("One thing that is known of the component.",
                            {{"type", text("What is told: Healthy.")},
                             {"status", text("Whether it holds: True or False.")},
                             {"message", text("What the component says where it is well.")},
                             {"error", text("What is wrong with it.")}});
    return object("How a part of the control plane does, looked at when it is read. Deprecated in v1.19.",
                  {{"conditions", list("What was found.", std::move(condition))}});
  }
  Json spec = object("Which group and version it is, and its place among the others.",
                     {{"group", text("The group; empty for the core.")},
                      {"version", text("The version in that group.")},
                      {"groupPriorityMinimum", count("Groups with more come before others.")},
                      {"versionPriority", count("Versions of a group with more come before others.")}});
  Json condition = object("One thing that is known of the APIService.",
                          {{"type", text("What is told: Available.")},
                           {"status", text("Whether it holds: True, as this server answers.")},
                           {"reason", text("Why, in a word: Local.")},
                           {"message", text("Why, in a sentence.")},
                           {"lastTransitionTime", text("Since when.")}});
  Json status = object("Whether it is served.", {{"conditions", list("What is known.", std::move(condition))}});
  return object("A version of a group of the API. All are served by this server itself; none can be added.",
                {{"spec", std::move(spec)}, {"status", std::move(status)}});
}

std::span<const KindPointer> computed_kinds() {
  static const std::vector<KindPointer> kRows = rows();
  return kRows;
}

KindPointer find_computed(const ApiPath& path) {
  if (path.rest.empty() || path.rest.size() > 2) return nullptr;
  for (const KindPointer& row : computed_kinds())
    if (row->group == path.group && row->serves(path.version) && row->plural == path.rest[0]) return row;
  return nullptr;
}

net::Task<void> serve_computed(Services& services, std::shared_ptr<http::Exchange> exchange, ApiPath path, User user) {
  RestRequest request{
      exchange, std::move(user), {}, path.rest.size() == 2, std::string(exchange->request().query()), Shape::Object};
  request.target.row = find_computed(path);
  request.target.version = path.version;
  bool of_components = request.target.row->plural == "componentstatuses";
  bool watches = request.flag("watch") && !request.by_name;
  auto shape = accepted_shape(exchange->request());
  request.shape = shape.value_or(Shape::Object);
  if ((request.method() != "GET" && request.method() != "HEAD") || (watches && of_components)) {
    respond_refusal(*exchange, method_not_allowed());
    co_return;
  }
  if (watches) {
    co_await watch_api_services(services, std::move(request));
    co_return;
  }
  std::vector<Json> objects = of_components ? components(services.registry) : api_services(services.registry);
  std::vector<std::string> warnings;
  if (of_components) warnings.push_back("v1 ComponentStatus is deprecated in v1.19+");
  if (request.by_name) {
    request.target.name = path.rest[1];
    for (Json& one : objects)
      if (base::text(one, "metadata", "name") == request.target.name) {
        respond_object(request, 200, objects::Object(std::move(one)), warnings);
        co_return;
      }
    respond_refusal(*exchange, not_found(request.target.resource(), request.target.name), warnings);
    co_return;
  }
  auto labels = LabelSelector::parse(request.text("labelSelector"));
  auto fields = FieldSelector::parse(request.text("fieldSelector"), *request.target.row);
  if (!labels || !fields) {
    respond_refusal(*exchange, labels ? fields.error() : labels.error());
    co_return;
  }
  std::erase_if(objects, [&](const Json& one) { return !labels->matches(one) || !fields->matches(one); });
  std::string revision = std::to_string(services.registry.store().revision());
  respond_json(*exchange, 200, list_of(request, std::move(objects), std::move(revision)), warnings);
}

}  // namespace localkube
