// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/refusal.h"

#include "base/strings.h"

namespace localkube {

std::string in_quotes(std::string_view text) { return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace); }

namespace {

std::string resource_text(const objects::Resource& resource) {
  return resource.group.empty() ? resource.plural : resource.plural + "." + resource.group;
}

Json details_of(const objects::Resource& resource, std::string_view name) {
  Json details = Json::object();
  if (!name.empty()) details["name"] = name;
  if (!resource.group.empty()) details["group"] = resource.group;
  details["kind"] = resource.plural;
  return details;
}

}  // namespace

std::string Problems::text(const Json& value) {
  if (value.is_string()) return in_quotes(value.get_ref<const std::string&>());
  if (value.is_array()) {
    std::vector<std::string> pieces;
    for (const Json& item : value) pieces.push_back(text(item));
    return "[]string{" + base::join(pieces, ", ") + "}";
  }
  if (value.is_object()) {
    std::vector<std::string> pieces;
    for (const auto& [key, item] : value.items()) pieces.push_back(in_quotes(key) + ":" + text(item));
    return "map[string]string{" + base::join(pieces, ", ") + "}";
  }
  if (value.is_null()) return "null";
  return value.dump();
}

void Problems::required(std::string field, std::string detail) {
  causes_.push_back(
      {"FieldValueRequired", detail.empty() ? "Required value" : "Required value: " + detail, std::move(field)});
}
void Problems::invalid(std::string field, std::string value, std::string_view detail) {
  causes_.push_back({"FieldValueInvalid", "Invalid value: " + value + ": " + std::string(detail), std::move(field)});
}
void Problems::type_invalid(std::string field, std::string value, std::string_view detail) {
  causes_.push_back(
      {"FieldValueTypeInvalid", "Invalid value: " + value + ": " + std::string(detail), std::move(field)});
}
void Problems::not_supported(std::string field, std::string value, const std::vector<std::string>& supported) {
  std::vector<std::string> all;
  for (const std::string& one : supported) all.push_back(in_quotes(one));
  causes_.push_back({"FieldValueNotSupported",
                     "Unsupported value: " + value + ": supported values: " + base::join(all, ", "), std::move(field)});
}
void Problems::duplicate(std::string field, std::string value) {
  causes_.push_back({"FieldValueDuplicate", "Duplicate value: " + value, std::move(field)});
}
void Problems::forbidden(std::string field, std::string_view detail) {
  causes_.push_back({"FieldValueForbidden", "Forbidden: " + std::string(detail), std::move(field)});
}
void Problems::not_found(std::string field, std::string value) {
  causes_.push_back({"FieldValueNotFound", "Not found: " + value, std::move(field)});
}
void Problems::too_long(std::string field, std::string_view detail) {
  causes_.push_back({"FieldValueTooLong", "Too long: " + std::string(detail), std::move(field)});
}

void Problems::too_many(std::string field, size_t count, size_t most) {
  causes_.push_back({"FieldValueTooMany",
                     "Too many: " + std::to_string(count) + ": must have at most " + std::to_string(most) + " items",
                     std::move(field)});
}

Refusal not_found(const objects::Resource& resource, std::string_view name) {
  return {404, "NotFound", resource_text(resource) + " " + in_quotes(name) + " not found", details_of(resource, name)};
}

Refusal already_exists(const objects::Resource& resource, std::string_view name) {
  return {409, "AlreadyExists", resource_text(resource) + " " + in_quotes(name) + " already exists",
          details_of(resource, name)};
}

Refusal conflict(const objects::Resource& resource, std::string_view name, std::string_view why) {
  return {
      409, "Conflict",
      "Operation cannot be fulfilled on " + resource_text(resource) + " " + in_quotes(name) + ": " + std::string(why),
      details_of(resource, name)};
}

Refusal modified(const objects::Resource& resource, std::string_view name) {
  return conflict(resource, name,
                  "the object has been modified; please apply your changes to the latest version and try again");
}

Refusal invalid(const objects::Kind& kind, std::string_view name, const Problems& problems) {
  std::vector<std::string> sentences;
  Json causes = Json::array();
  for (const auto& cause : problems.causes()) {
    sentences.push_back(cause.field + ": " + cause.message);
    causes.push_back({{"reason", cause.reason}, {"message", cause.message}, {"field", cause.field}});
  }
  std::string all = base::join(sentences, ", ");
  if (sentences.size() > 1) all = "[" + all + "]";
  Json details = {{"kind", kind.kind}, {"causes", std::move(causes)}};
  if (!name.empty()) details["name"] = name;
  if (!kind.group.empty()) details["group"] = kind.group;
  std::string what = kind.group.empty() ? kind.kind : kind.kind + "." + kind.group;
  return {422, "Invalid", what + " " + in_quotes(name) + " is invalid: " + all, std::move(details)};
}

Refusal forbidden(const objects::Resource& resource, std::string_view name, std::string_view why) {
  std::string what = resource_text(resource);
  if (!name.empty()) what += " " + in_quotes(name);
  return {403, "Forbidden", what + " is forbidden: " + std::string(why), details_of(resource, name)};
}

Refusal bad_request(std::string message) { return {400, "BadRequest", std::move(message), {}}; }

Refusal internal(std::string message) {
  Json details = {{"causes", Json::array({{{"message", message}}})}};
  return {500, "InternalError", "Internal error occurred: " + message, std::move(details)};
}

Refusal unavailable(std::string message) { return {503, "ServiceUnavailable", std::move(message), {}}; }
Refusal cannot_store(std::string message) { return {507, "InsufficientStorage", std::move(message), {}}; }
Refusal gone(std::string message) { return {410, "Expired", std::move(message), {}}; }

Refusal method_not_allowed() {
  return {405, "MethodNotAllowed", "the server does not allow this method on the requested resource", Json::object()};
}
Refusal no_such_resource() {
  return {404, "NotFound", "the server could not find the requested resource", Json::object()};
}
Refusal unsupported_media_type(std::string_view accepted) {
  return {415,
          "UnsupportedMediaType",
          "the body of the request was in an unknown format - accepted media types include: " + std::string(accepted),
          {}};
}

Json status_of(const Refusal& refusal) {
  Json status = {{"kind", "Status"},    {"apiVersion", "v1"},         {"metadata", Json::object()},
                 {"status", "Failure"}, {"message", refusal.message}, {"code", refusal.code}};
  if (!refusal.reason.empty()) status["reason"] = refusal.reason;
  if (!refusal.details.is_null()) status["details"] = refusal.details;
  return status;
}

}  // namespace localkube
