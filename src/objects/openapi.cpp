// SPDX-License-Identifier: Apache-2.0
#include "objects/openapi.h"

#include <google/protobuf/descriptor.h>

#include <optional>
#include <vector>

namespace objects {

using base::Json;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

using Path = std::vector<const Descriptor*>;  // the messages that are being described, outermost first

static Json message_schema(const Descriptor& type, Path& path);

static Json scalar(const char* type, const char* format = nullptr) {
  Json out = {{"type", type}};
  if (format) out["format"] = format;
  return out;
}

static Json anything() { return {{"type", "object"}, {"x-kubernetes-preserve-unknown-fields", true}}; }

// The JSON forms of protobuf's own types.
static std::optional<Json> well_known(const Descriptor& type) {
  const std::string& name = type.full_name();
  if (name == "google.protobuf.Duration") return scalar("string");
  if (name == "google.protobuf.Timestamp") return scalar("string", "date-time");
  if (name == "google.protobuf.Struct" || name == "google.protobuf.Any" || name == "google.protobuf.Empty")
    return anything();
  if (name == "google.protobuf.Value") return Json{{"x-kubernetes-preserve-unknown-fields", true}};
  if (name == "google.protobuf.BoolValue") return scalar("boolean");
  if (name == "google.protobuf.StringValue" || name == "google.protobuf.BytesValue") return scalar("string");
  if (name == "google.protobuf.DoubleValue" || name == "google.protobuf.FloatValue") return scalar("number");
  if (name == "google.protobuf.Int32Value" || name == "google.protobuf.Int64Value") return scalar("integer");
  if (name == "google.protobuf.UInt32Value" || name == "google.protobuf.UInt64Value") {
    Json out = scalar("integer");
    out["minimum"] = 0;
    return out;
  }
  return std::nullopt;
}

static Json single_schema(const FieldDescriptor& field, Path& path) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return scalar("boolean");
    case FieldDescriptor::CPPTYPE_INT32:
      return scalar("integer", "int32");
    case FieldDescriptor::CPPTYPE_INT64:
      return scalar("integer", "int64");
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64: {
      Json out = scalar("integer");
      out["minimum"] = 0;
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32) out["maximum"] = 4294967295u;
      return out;
    }
    case FieldDescriptor::CPPTYPE_FLOAT:
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return scalar("number", "double");
    case FieldDescriptor::CPPTYPE_STRING:
      return scalar("string");
    case FieldDescriptor::CPPTYPE_ENUM: {
      Json out = scalar("string");
      out["enum"] = Json::array();
      for (int i = 0; i < field.enum_type()->value_count(); ++i)
        out["enum"].push_back(field.enum_type()->value(i)->name());
      return out;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return message_schema(*field.message_type(), path);
  }
  return anything();
}

static Json field_schema(const FieldDescriptor& field, Path& path) {
  if (field.is_map())
    return {{"type", "object"},
            {"additionalProperties", single_schema(*field.message_type()->FindFieldByNumber(2), path)}};
  if (field.is_repeated()) return {{"type", "array"}, {"items", single_schema(field, path)}};
  return single_schema(field, path);
}

static Json message_schema(const Descriptor& type, Path& path) {
  if (auto known = well_known(type)) return std::move(*known);
  for (const Descriptor* outer : path)
    if (outer == &type) return anything();
  path.push_back(&type);
  Json properties = Json::object();
  for (int i = 0; i < type.field_count(); ++i)
    properties[type.field(i)->json_name()] = field_schema(*type.field(i), path);
  path.pop_back();
  Json out = {{"type", "object"}};
  if (!properties.empty()) out["properties"] = std::move(properties);
  return out;
}

Json structural_schema(const Descriptor& type) {
  Path path;
  return message_schema(type, path);
}

}  // namespace objects
