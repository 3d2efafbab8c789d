// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/rest/front.h"
#include "localkube/api/rest/respond.h"
#include "localkube/api/rest/table.h"
#include "localkube/api/selectors.h"

namespace localkube {

namespace {

RowObject carried(const RestRequest& request) {
  std::string told = request.text("includeObject");
  return told == "None" ? RowObject::None : told == "Object" ? RowObject::Object : RowObject::Metadata;
}

// Where a list that was cut goes on, and the revision its first part had.
struct Continue {
  int64_t revision = 0;
  std::string ns;
  std::string name;

  std::string text() const { return base::to_base64url(dump({{"rv", revision}, {"ns", ns}, {"name", name}})); }
  static Answer<Continue> parse(const std::string& text) {
    auto bytes = base::from_base64url(text);
    auto json = bytes ? base::parse_json(*bytes) : base::fail(base::ErrorKind::Invalid, "");
    if (!json)
      return std::unexpected(
          bad_request("invalid continue token: continue key is not valid: illegal base64 data at input byte 0"));
    return Continue{localkube::number(*json, "rv"), string_at(*json, "ns"), string_at(*json, "name")};
  }
};

// What a list found.
struct Page {
  std::vector<std::shared_ptr<const Json>> objects;
  std::vector<std::shared_ptr<const std::string>> texts;
  Json metadata;
};

Answer<Page> find_page(Services& services, const RestRequest& request) {
  const Target& target = request.target;
  Store& store = services.registry.store();
  LabelSelector labels = TRY(LabelSelector::parse(request.text("labelSelector")));
  FieldSelector fields = TRY(FieldSelector::parse(request.text("fieldSelector"), *target.row));
  int64_t limit = TRY(request.number("limit")).value_or(0);
  Continue from;
  if (std::string token = request.text("continue"); !token.empty()) {
    from = TRY(Continue::parse(token));
    if (from.revision < store.oldest())
      return std::unexpected(
          gone("The provided continue parameter is too old to display a consistent list result. You "
               "can start a new list without the continue parameter."));
  }
  int64_t revision = from.revision ? from.revision : store.revision();
  if (auto asked = TRY(request.resource_version())) {
    if (*asked > store.revision()) {
      Refusal refusal{
          504,
          "Timeout",
          "Too large resource version: " + std::to_string(*asked) + ", current: " + std::to_string(store.revision()),
          {}};
      refusal.details = {
          {"causes", Json::array({{{"reason", "ResourceVersionTooLarge"}, {"message", "Too large resource version"}}})},
          {"retryAfterSeconds", 1}};
      return std::unexpected(std::move(refusal));
    }
    if (request.text("resourceVersionMatch") == "Exact" && *asked != store.revision())
      return std::unexpected(gone("The provided resource version is too old: this server keeps the newest only"));
  }
  Page page;
  page.metadata = {{"resourceVersion", std::to_string(revision)}};
  size_t left = 0;
  bool plain = labels.empty() && fields.empty();
  Continue last{revision, {}, {}};
  store.each(target.row->stored_in(), target.ns,
             [&](const std::string& ns, const std::string& name, const Record& record) {
               if (!from.name.empty() && std::tie(ns, name) <= std::tie(from.ns, from.name)) return true;
               if (!labels.matches(*record.object) || !fields.matches(*record.object)) return true;
               if (limit > 0 && page.objects.size() >= static_cast<size_t>(limit)) {
                 ++left;
                 return plain;  // counting on is only told for lists without selectors
               }
               page.objects.push_back(record.object);
               page.texts.push_back(record.text);
               last.ns = ns;
               last.name = name;
               return true;
             });
  if (left > 0) {
    page.metadata["continue"] = last.text();
    if (plain) page.metadata["remainingItemCount"] = left;
  }
  return page;
}

// The list as JSON text; stored texts are used as they are where that is right.
std::string list_text(const Target& target, const Page& page) {
  std::string api_version = target.row->object_kind(target.version).api_version();
  std::string text = "{\"kind\":" + in_quotes(target.row->list_kind()) + ",\"apiVersion\":" + in_quotes(api_version) +
                     ",\"metadata\":" + dump(page.metadata) + ",\"items\":[";
  for (size_t i = 0; i < page.objects.size(); ++i) {
    if (i) text += ",";
    bool as_is = !target.row->from_stored && base::text(*page.objects[i], "apiVersion") == api_version;
    text += as_is ? *page.texts[i] : dump(Registry::shown(*target.row, target.version, *page.objects[i]));
  }
  return text + "]}";
}

}  // namespace

void respond_object(RestRequest& request, int status, const objects::Object& object,
                    const std::vector<std::string>& warnings) {
  if (request.shape == Shape::Table) {
    Json metadata = {{"resourceVersion", object.resource_version()}};
    respond_json(
        *request.exchange, status,
        table_of(*request.target.row, request.target.version, {object.json()}, std::move(metadata), carried(request)),
        warnings);
  } else if (request.shape == Shape::Metadata) {
    respond_json(*request.exchange, status, metadata_only(object.json()), warnings);
  } else {
    respond_json(*request.exchange, status, object.json(), warnings);
  }
}

void serve_get(Services& services, RestRequest request) {
  Answer<objects::Object> object = services.registry.read(request.target);
  if (!object) return respond_refusal(*request.exchange, object.error());
  respond_object(request, 200, *object);
}

void serve_list(Services& services, RestRequest request) {
  Answer<Page> page = find_page(services, request);
  if (!page) return respond_refusal(*request.exchange, page.error());
  const Target& target = request.target;
  if (request.shape == Shape::Object) return respond_text(*request.exchange, 200, list_text(target, *page));
  std::vector<Json> objects;
  for (const auto& object : page->objects) objects.push_back(Registry::shown(*target.row, target.version, *object));
  if (request.shape == Shape::Table)
    return respond_json(*request.exchange, 200,
                        table_of(*target.row, target.version, objects, std::move(page->metadata), carried(request)));
  Json items = Json::array();
  for (const Json& object : objects) items.push_back(metadata_only(object));
  respond_json(*request.exchange, 200,
               {{"kind", "PartialObjectMetadataList"},
                {"apiVersion", "meta.k8s.io/v1"},
                {"metadata", std::move(page->metadata)},
                {"items", std::move(items)}});
}

}  // namespace localkube
