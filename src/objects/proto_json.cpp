// SPDX-License-Identifier: Apache-2.0
#include "objects/proto_json.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

namespace objects {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// protobuf's own parser says what is wrong but not where; unknown fields, the
// common slip, are looked for first so that their path can be told.
static std::string unknown_field(const base::Json& json, const Descriptor& type, const std::string& path) {
  // Well-known types have JSON forms of their own (Struct, Duration, wrappers, Any).
  if (!json.is_object() || type.full_name().starts_with("google.protobuf.")) return {};
  for (const auto& [key, value] : json.items()) {
    const FieldDescriptor* field = type.FindFieldByCamelcaseName(key);
    for (int i = 0; !field && i < type.field_count(); ++i)
      if (type.field(i)->json_name() == key || type.field(i)->name() == key) field = type.field(i);
    std::string at = path.empty() ? key : path + "." + key;
    if (!field) return at;
    if (field->type() != FieldDescriptor::TYPE_MESSAGE) continue;
    if (field->is_map()) {
      const FieldDescriptor* inner = field->message_type()->FindFieldByNumber(2);
      if (inner->type() != FieldDescriptor::TYPE_MESSAGE || !value.is_object()) continue;
      for (const auto& [entry, item] : value.items())
        if (auto found = unknown_field(item, *inner->message_type(), at + "[" + entry + "]"); !found.empty()) return found;
    } else if (field->is_repeated()) {
      if (!value.is_array()) continue;
      for (size_t i = 0; i < value.size(); ++i)
        if (auto found = unknown_field(value[i], *field->message_type(), at + "[" + std::to_string(i) + "]"); !found.empty()) return found;
    } else if (auto found = unknown_field(value, *field->message_type(), at); !found.empty()) {
      return found;
    }
  }
  return {};
}

base::Result<void> from_json(const base::Json& json, google::protobuf::Message& message) {
  if (std::string path = unknown_field(json, *message.GetDescriptor(), ""); !path.empty())
    return base::fail(base::ErrorKind::Invalid, "unknown field \"" + path + "\"");
  message.Clear();
  auto status = google::protobuf::util::JsonStringToMessage(json.dump(), &message);
  if (!status.ok()) return base::fail(base::ErrorKind::Invalid, std::string(status.message()));
  return {};
}

base::Json to_json(const google::protobuf::Message& message) {
  std::string text;
  auto status = google::protobuf::util::MessageToJsonString(message, &text);
  if (!status.ok()) return base::Json::object();
  auto parsed = base::parse_json(text);
  return parsed ? std::move(*parsed) : base::Json::object();
}

}  // namespace objects
