// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/rest/front.h"
#include "localkube/api/rest/respond.h"
#include "localkube/api/selectors.h"

namespace localkube {

namespace {

std::optional<PatchType> patch_type(const http::RequestHead& head) {
  std::string_view type = head.headers.get("content-type").value_or("");
  type = base::trim(type.substr(0, type.find(';')));
  if (type == "application/json-patch+json") return PatchType::Json;
  if (type == "application/merge-patch+json") return PatchType::Merge;
  if (type == "application/strategic-merge-patch+json") return PatchType::Strategic;
  if (type == "application/apply-patch+yaml") return PatchType::Apply;
  return std::nullopt;
}

Refusal unknown_patch() { return {415, "UnsupportedMediaType", "415: Unsupported Media Type", Json::object()}; }

// DeleteOptions from the body, or from the query where there is no body.
net::Task<Answer<Json>> delete_options(RestRequest request) {
  auto body = co_await read_body(request.exchange);
  if (!body) co_return std::unexpected(std::move(body.error()));
  Json options = Json::object();
  if (!base::trim(*body).empty()) {
    auto parsed = base::parse_json(*body);
    if (!parsed) co_return std::unexpected(bad_request("reading DeleteOptions: " + parsed.error().message));
    options = std::move(*parsed);
  }
  if (std::string grace = request.text("gracePeriodSeconds"); !grace.empty())
    if (auto seconds = base::parse_number<int64_t>(grace)) options["gracePeriodSeconds"] = *seconds;
  if (std::string policy = request.text("propagationPolicy"); !policy.empty()) options["propagationPolicy"] = policy;
  co_return options;
}

Json success(const Target& target, const objects::Object& object) {
  Json details = {{"name", target.name}, {"kind", target.row->plural}, {"uid", object.uid()}};
  if (!target.row->group.empty()) details["group"] = target.row->group;
  return {{"kind", "Status"},
          {"apiVersion", "v1"},
          {"metadata", Json::object()},
          {"status", "Success"},
          {"details", std::move(details)}};
}

}  // namespace

net::Task<void> serve_create(Services& services, RestRequest request) {
  Answer<CallPointer> call = call_of(request, "CreateOptions");
  if (!call) {
    respond_refusal(*request.exchange, call.error());
    co_return;
  }
  if (request.target.row->namespaced && request.target.ns.empty()) {
    respond_refusal(*request.exchange, method_not_allowed());
    co_return;
  }
  Answer<Json> object = co_await read_document(request.exchange, request.target.row, request.target.version, *call);
  if (!object) {
    respond_refusal(*request.exchange, object.error());
    co_return;
  }
  auto made = co_await services.registry.create_object(request.target, std::move(*object), *call);
  if (!made)
    respond_refusal(*request.exchange, made.error(), (*call)->warnings);
  else
    respond_object(request, 201, *made, (*call)->warnings);
}

net::Task<void> serve_update(Services& services, RestRequest request) {
  Answer<CallPointer> call = call_of(request, "UpdateOptions");
  if (!call) {
    respond_refusal(*request.exchange, call.error());
    co_return;
  }
  Answer<Json> object = co_await read_document(request.exchange, request.target.row, request.target.version, *call);
  if (!object) {
    respond_refusal(*request.exchange, object.error());
    co_return;
  }
  auto updated = co_await services.registry.update_object(request.target, std::move(*object), *call);
  if (!updated)
    respond_refusal(*request.exchange, updated.error(), (*call)->warnings);
  else
    respond_object(request, 200, *updated, (*call)->warnings);
}

net::Task<void> serve_patch(Services& services, RestRequest request) {
  auto type = patch_type(request.exchange->request());
  Answer<CallPointer> call = call_of(request, "PatchOptions");
  if (!type || !call) {
    respond_refusal(*request.exchange, type ? call.error() : unknown_patch());
    co_return;
  }
  Answer<Json> patch = co_await read_document(request.exchange, request.target.row, request.target.version, *call);
  if (!patch) {
    respond_refusal(*request.exchange, patch.error());
    co_return;
  }
  auto created = std::make_shared<bool>(false);
  auto answer = co_await services.registry.patch_object(request.target, *type, std::move(*patch), *call, created);
  if (!answer)
    respond_refusal(*request.exchange, answer.error(), (*call)->warnings);
  else
    respond_object(request, *created ? 201 : 200, *answer, (*call)->warnings);
}

net::Task<void> serve_delete(Services& services, RestRequest request) {
  Answer<CallPointer> call = call_of(request, "DeleteOptions");
  if (!call) {
    respond_refusal(*request.exchange, call.error());
    co_return;
  }
  Answer<Json> options = co_await delete_options(request);
  Answer<DeleteOrder> order = options ? DeleteOrder::of(*options) : std::unexpected(std::move(options.error()));
  if (!order) {
    respond_refusal(*request.exchange, order.error());
    co_return;
  }
  for (const Json& value : items(*options, "dryRun")) (*call)->dry_run = (*call)->dry_run || value == "All";
  auto deleted = co_await services.registry.delete_object(request.target, std::move(*order), *call);
  if (!deleted) {
    respond_refusal(*request.exchange, deleted.error(), (*call)->warnings);
    co_return;
  }
  if (deleted->gone && !request.target.row->returns_deleted)
    respond_json(*request.exchange, 200, success(request.target, deleted->object), (*call)->warnings);
  else
    respond_object(request, 200, deleted->object, (*call)->warnings);
}

net::Task<void> serve_delete_collection(Services& services, RestRequest request) {
  Answer<CallPointer> call = call_of(request, "DeleteOptions");
  Answer<LabelSelector> labels = LabelSelector::parse(request.text("labelSelector"));
  Answer<FieldSelector> fields = FieldSelector::parse(request.text("fieldSelector"), *request.target.row);
  Refusal refusal;
  if (!call)
    refusal = call.error();
  else if (!labels)
    refusal = labels.error();
  else if (!fields)
    refusal = fields.error();
  else if (request.target.row->namespaced && request.target.ns.empty())
    refusal = method_not_allowed();
  if (!refusal.message.empty()) {
    respond_refusal(*request.exchange, refusal);
    co_return;
  }
  Answer<Json> options = co_await delete_options(request);
  Answer<DeleteOrder> order = options ? DeleteOrder::of(*options) : std::unexpected(std::move(options.error()));
  if (!order) {
    respond_refusal(*request.exchange, order.error());
    co_return;
  }
  std::vector<std::string> names;
  services.registry.store().each(request.target.row->stored_in(), request.target.ns,
                                 [&](const std::string&, const std::string& name, const Record& record) {
                                   if (labels->matches(*record.object) && fields->matches(*record.object))
                                     names.push_back(name);
                                   return true;
                                 });
  Json all = Json::array();
  for (const std::string& name : names) {
    Target target = request.target;
    target.name = name;
    auto deleted = co_await services.registry.delete_object(std::move(target), *order, *call);
    if (deleted) {
      all.push_back(deleted->object.json());
    } else if (deleted.error().code != 404) {
      respond_refusal(*request.exchange, deleted.error(), (*call)->warnings);
      co_return;
    }
  }
  const Target& target = request.target;
  respond_json(*request.exchange, 200,
               {{"kind", target.row->list_kind()},
                {"apiVersion", target.row->object_kind(target.version).api_version()},
                {"metadata", {{"resourceVersion", std::to_string(services.registry.store().revision())}}},
                {"items", std::move(all)}},
               (*call)->warnings);
}

}  // namespace localkube
