// SPDX-License-Identifier: Apache-2.0
#include "objects/member.h"

#include <map>
#include <string>

#include "k8s/options.pb.h"

namespace objects {
namespace {

namespace options = k8s::options;

const std::map<std::string_view, Form> kForms = {
    {"k8s.io.apimachinery.pkg.apis.meta.v1.Time", Form::Time},
    {"k8s.io.apimachinery.pkg.apis.meta.v1.MicroTime", Form::MicroTime},
    {"k8s.io.apimachinery.pkg.apis.meta.v1.FieldsV1", Form::Any},
    {"k8s.io.apimachinery.pkg.api.resource.Quantity", Form::Quantity},
    {"k8s.io.apimachinery.pkg.util.intstr.IntOrString", Form::IntOrString},
    {"k8s.io.apimachinery.pkg.runtime.RawExtension", Form::Any},
    {"k8s.io.api.authentication.v1.ExtraValue", Form::TextList},
    {"k8s.io.api.authorization.v1.ExtraValue", Form::TextList},
    {"k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.JSON", Form::Any},
    {"k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps", Form::Any},
};

}  // namespace

Form form_of(const FieldDescriptor& field) {
  switch (field.type()) {
    case FieldDescriptor::TYPE_BYTES:
      return Form::Bytes;
    case FieldDescriptor::TYPE_STRING:
      return Form::Text;
    case FieldDescriptor::TYPE_BOOL:
      return Form::Boolean;
    case FieldDescriptor::TYPE_DOUBLE:
    case FieldDescriptor::TYPE_FLOAT:
      return Form::Number;
    case FieldDescriptor::TYPE_MESSAGE: {
      auto found = kForms.find(field.message_type()->full_name());
      return found == kForms.end() ? Form::Object : found->second;
    }
    default:
      return Form::Integer;
  }
}

const FieldDescriptor& value_field(const FieldDescriptor& map) { return *map.message_type()->map_value(); }

bool inlined(const FieldDescriptor& field) { return field.options().GetExtension(options::inlined); }
bool nullable(const FieldDescriptor& field) { return field.options().GetExtension(options::nullable); }
bool always_written(const FieldDescriptor& field) { return field.options().GetExtension(options::always); }
bool required(const FieldDescriptor& field) { return field.options().GetExtension(options::required); }
std::string_view merge_key(const FieldDescriptor& field) {
  return field.options().HasExtension(options::merge_key)
             ? std::string_view(field.options().GetExtension(options::merge_key))
             : std::string_view();
}
bool merges_as_set(const FieldDescriptor& field) { return field.options().GetExtension(options::merge_set); }
bool retains_keys(const FieldDescriptor& field) { return field.options().GetExtension(options::retain_keys); }

const FieldDescriptor* find_member(const Descriptor& type, std::string_view name) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (inlined(field)) {
      if (const FieldDescriptor* found = find_member(*field.message_type(), name)) return found;
    } else if (field.json_name() == name) {
      return &field;
    }
  }
  return nullptr;
}

void each_member(const Descriptor& type, const std::function<void(const FieldDescriptor&)>& call) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (inlined(field)) {
      each_member(*field.message_type(), call);
    } else {
      call(field);
    }
  }
}

}  // namespace objects
