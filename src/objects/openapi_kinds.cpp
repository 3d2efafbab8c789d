// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "objects/member.h"
#include "objects/openapi.h"
#include "objects/schema.h"

namespace objects {
namespace {

Json reference(const Descriptor& type) {
  return {{"allOf", {{{"$ref", "#/components/schemas/" + schema_name(type)}}}}};
}

Json value_schema(const FieldDescriptor& field, Json& schemas);

Json object_schema(const Descriptor& type, Json& schemas) {
  Json properties = Json::object();
  Json needed = Json::array();
  each_member(type, [&](const FieldDescriptor& field) {
    Json schema;
    if (field.is_map()) {
      schema = {{"type", "object"}, {"additionalProperties", value_schema(value_field(field), schemas)}};
    } else if (field.is_repeated()) {
      schema = {{"type", "array"}, {"items", value_schema(field, schemas)}};
    } else {
      schema = value_schema(field, schemas);
    }
    if (auto key = merge_key(field); !key.empty()) {
      schema["x-kubernetes-patch-strategy"] = retains_keys(field) ? "merge,retainKeys" : "merge";
      schema["x-kubernetes-patch-merge-key"] = key;
    } else if (merges_as_set(field)) {
      schema["x-kubernetes-patch-strategy"] = "merge";
    } else if (retains_keys(field)) {
      schema["x-kubernetes-patch-strategy"] = "retainKeys";
    }
    if (required(field)) needed.push_back(field.json_name());
    properties[field.json_name()] = std::move(schema);
  });
  Json out = {{"type", "object"}, {"properties", std::move(properties)}};
  if (!needed.empty()) out["required"] = std::move(needed);
  return out;
}

void add_type(const Descriptor& type, Json& schemas) {
  std::string name = schema_name(type);
  if (schemas.contains(name)) return;
  schemas[name] = Json::object();  // so that a type may contain itself
  Json schema = object_schema(type, schemas);
  schemas[name] = std::move(schema);
}

// A type with a JSON form of its own, by its name.
Json named(const FieldDescriptor& field, Json schema, Json& schemas) {
  schemas.emplace(schema_name(*field.message_type()), std::move(schema));
  return reference(*field.message_type());
}

// Of one value of the field; messages are described once and referred to.
Json value_schema(const FieldDescriptor& field, Json& schemas) {
  switch (form_of(field)) {
    case Form::Text:
      return {{"type", "string"}};
    case Form::Bytes:
      return {{"type", "string"}, {"format", "byte"}};
    case Form::Boolean:
      return {{"type", "boolean"}};
    case Form::Integer:
      return {{"type", "integer"}, {"format", field.cpp_type() == FieldDescriptor::CPPTYPE_INT32 ? "int32" : "int64"}};
    case Form::Number:
      return {{"type", "number"}, {"format", "double"}};
    case Form::Time:
    case Form::MicroTime:
      return named(field, {{"type", "string"}, {"format", "date-time"}}, schemas);
    case Form::Quantity:
      return named(field, {{"oneOf", {{{"type", "string"}}, {{"type", "number"}}}}}, schemas);
    case Form::IntOrString:
      return named(field, {{"format", "int-or-string"}, {"oneOf", {{{"type", "integer"}}, {{"type", "string"}}}}},
                   schemas);
    case Form::TextList:
      return {{"type", "array"}, {"items", {{"type", "string"}}}};
    case Form::Any:
      return {{"type", "object"}};
    case Form::Object:
      add_type(*field.message_type(), schemas);
      return reference(*field.message_type());
  }
  return Json::object();
}

}  // namespace

std::string schema_name(const google::protobuf::Descriptor& type) {
  // "k8s.io.api.core.v1.Pod" -> "io.k8s.api.core.v1.Pod"
  std::string_view name = type.full_name();
  constexpr std::string_view kHost = "k8s.io.";
  if (name.starts_with(kHost)) return "io.k8s." + std::string(name.substr(kHost.size()));
  return std::string(name);
}

std::string add_kind_schema(const Kind& kind, const Schema& schema, Json& schemas) {
  add_type(schema.type(), schemas);
  std::string name = schema_name(schema.type());
  Json& described = schemas[name];
  Json& properties = described["properties"];
  properties["apiVersion"] = {{"type", "string"}};
  properties["kind"] = {{"type", "string"}};
  described["x-kubernetes-group-version-kind"] =
      Json::array({{{"group", kind.group}, {"version", kind.version}, {"kind", kind.kind}}});
  return name;
}

}  // namespace objects
