// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/descriptor.h>

#include <functional>
#include <string_view>

namespace objects {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// How a value of a Kubernetes field is written in JSON, where its protobuf type
// alone does not say.
enum class Form {
  Text,
  Bytes,  // base64
  Boolean,
  Integer,
  Number,
  Object,       // a message, member by member
  Time,         // "2026-01-02T03:04:05Z"
  MicroTime,    // with six decimals
  Quantity,     // "100m", or a number
  IntOrString,  // 80 or "http"
  Any,          // whatever the JSON says: embedded objects, OpenAPI schemas
  TextList,     // a list of strings that protobuf wraps into a message
};

// Of one value of the field: of a list's item, of a map's value.
Form form_of(const FieldDescriptor& field);
// Of a field that is a map, its values' field.
const FieldDescriptor& value_field(const FieldDescriptor& map);

// What api/k8s/options.proto says of the field.
bool inlined(const FieldDescriptor& field);
bool nullable(const FieldDescriptor& field);
bool always_written(const FieldDescriptor& field);
bool required(const FieldDescriptor& field);
std::string_view merge_key(const FieldDescriptor& field);  // empty: none
bool merges_as_set(const FieldDescriptor& field);
bool retains_keys(const FieldDescriptor& field);

// The member of the type's JSON object by its JSON name, those of inlined
// messages included; nullptr where there is none.
const FieldDescriptor* find_member(const Descriptor& type, std::string_view name);
// All of them.
void each_member(const Descriptor& type, const std::function<void(const FieldDescriptor&)>& call);

}  // namespace objects
