// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/strings.h"
#include "objects/member.h"
#include "objects/quantity.h"
#include "objects/schema.h"

namespace objects {
namespace {

constexpr size_t kMostUnknown = 100;  // paths told

std::string_view json_word(const Json& value) {
  if (value.is_boolean()) return "bool";
  return value.type_name();  // "string", "number", "array", "object"
}

// The name that Kubernetes' Go code has for the type of one value of the field.
std::string go_type(const FieldDescriptor& field) {
  switch (field.type()) {
    case FieldDescriptor::TYPE_STRING:
      return "string";
    case FieldDescriptor::TYPE_BYTES:
      return "[]uint8";
    case FieldDescriptor::TYPE_BOOL:
      return "bool";
    case FieldDescriptor::TYPE_INT32:
      return "int32";
    case FieldDescriptor::TYPE_INT64:
      return "int64";
    case FieldDescriptor::TYPE_DOUBLE:
      return "float64";
    case FieldDescriptor::TYPE_MESSAGE:
      return "v1." + field.message_type()->name();
    default:
      return field.cpp_type_name();
  }
}

// Walks one document along its descriptor. Remembers two paths: with indexes for
// unknown members, without for Go's words.
class Walk {
 public:
  base::Result<void> object(Json& object, const Descriptor& type) {
    for (auto it = object.begin(); it != object.end();) {
      bool head = names_.empty() && (it.key() == "apiVersion" || it.key() == "kind");
      const FieldDescriptor* field = head ? nullptr : find_member(type, it.key());
      if (head) {
        ++it;
        continue;
      }
      if (!field) {
        if (unknown_.size() < kMostUnknown) unknown_.push_back(path_of(it.key()));
        it = object.erase(it);
        continue;
      }
      if (!it->is_null()) {
        names_.push_back(it.key());
        size_t length = path_.size();
        if (!path_.empty()) path_ += '.';
        path_ += it.key();
        auto result = member(it.value(), *field, type);
        path_.resize(length);
        names_.pop_back();
        if (!result) return result;
      }
      it = it->is_null() || (empty(*it) && !kept_empty(*field)) ? object.erase(it) : std::next(it);
    }
    each_member(type, [&](const FieldDescriptor& field) {
      if (always_written(field) && !object.contains(field.json_name())) object[field.json_name()] = zero(field);
    });
    return {};
  }

  std::vector<std::string> take_unknown() { return std::move(unknown_); }

 private:
  base::Result<void> member(Json& value, const FieldDescriptor& field, const Descriptor& parent) {
    if (field.is_map()) {
      if (!value.is_object()) return wrong_type(value, parent, "map[string]" + go_type(value_field(field)));
      for (auto& [key, item] : value.items()) TRY(nested(item, value_field(field), parent, "[" + key + "]"));
      return {};
    }
    if (field.is_repeated()) {
      if (!value.is_array()) return wrong_type(value, parent, "[]" + go_type(field));
      for (size_t i = 0; i < value.size(); ++i) TRY(nested(value[i], field, parent, "[" + std::to_string(i) + "]"));
      return {};
    }
    return single(value, field, parent);
  }

  base::Result<void> nested(Json& item, const FieldDescriptor& field, const Descriptor& parent,
                            const std::string& index) {
    size_t length = path_.size();
    path_ += index;
    if (item.is_null()) item = zero_of_one(field);
    auto result = single(item, field, parent);
    path_.resize(length);
    return result;
  }

  base::Result<void> single(Json& value, const FieldDescriptor& field, const Descriptor& parent) {
    switch (form_of(field)) {
      case Form::Object:
        if (!value.is_object()) return wrong(value, field, parent);
        return object(value, *field.message_type());
      case Form::Text:
        if (!value.is_string()) return wrong(value, field, parent);
        return {};
      case Form::Boolean:
        if (!value.is_boolean()) return wrong(value, field, parent);
        return {};
      case Form::Integer:
        return integer(value, field, parent);
      case Form::Number:
        if (!value.is_number()) return wrong(value, field, parent);
        return {};
      case Form::Bytes:
        if (!value.is_string()) return wrong(value, field, parent);
        if (!base::from_base64(value.get_ref<const std::string&>()))
          return base::fail(base::ErrorKind::Invalid, "illegal base64 data in " + path_);
        return {};
      case Form::Time:
      case Form::MicroTime:
        if (!value.is_string()) return wrong(value, field, parent);
        return {};
      case Form::Quantity:
        if (value.is_number()) value = value.dump();
        if (!value.is_string()) return wrong(value, field, parent);
        return quantity(value);
      case Form::IntOrString:
        if (!value.is_number_integer() && !value.is_string()) return wrong(value, field, parent);
        return {};
      case Form::TextList:
        if (!value.is_array()) return wrong(value, field, parent);
        return {};
      case Form::Any:
        return {};
    }
    return {};
  }

  base::Result<void> quantity(Json& value) {
    auto canonical = canonical_quantity(value.get_ref<const std::string&>());
    if (!canonical)
      return base::fail(base::ErrorKind::Invalid,
                        "quantities must match the regular expression "
                        "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
    value = *std::move(canonical);
    return {};
  }

  base::Result<void> integer(Json& value, const FieldDescriptor& field, const Descriptor& parent) {
    if (!value.is_number_integer()) return wrong(value, field, parent);
    bool small = field.cpp_type() == FieldDescriptor::CPPTYPE_INT32;
    bool fits = value.is_number_unsigned() ? value.get<uint64_t>() <= (small ? INT32_MAX : INT64_MAX)
                                           : !small || value.get<int64_t>() >= INT32_MIN;
    if (!fits) return wrong(value, field, parent);
    return {};
  }

  std::unexpected<base::Error> wrong(const Json& value, const FieldDescriptor& field, const Descriptor& parent) {
    return wrong_type(value, parent, go_type(field));
  }

  std::unexpected<base::Error> wrong_type(const Json& value, const Descriptor& parent, const std::string& type) {
    std::string what(json_word(value));
    if (value.is_number() && type.starts_with("int")) what += " " + value.dump();
    return base::fail(base::ErrorKind::Invalid,
                      fmt::format("json: cannot unmarshal {} into Go struct field {}.{} of type {}", what,
                                  parent.name(), fmt::join(names_, "."), type));
  }

  std::string path_of(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }

  static bool empty(const Json& value) {
    switch (value.type()) {
      case Json::value_t::string:
        return value.get_ref<const std::string&>().empty();
      case Json::value_t::boolean:
        return !value.get<bool>();
      case Json::value_t::number_integer:
      case Json::value_t::number_unsigned:
      case Json::value_t::number_float:
        return value == 0;
      case Json::value_t::object:
      case Json::value_t::array:
        return value.empty();
      default:
        return false;
    }
  }

  // Whether the field's empty value says something that its absence does not.
  static bool kept_empty(const FieldDescriptor& field) {
    if (always_written(field) || nullable(field)) return true;
    return !field.is_repeated() && field.type() == FieldDescriptor::TYPE_MESSAGE && form_of(field) != Form::Any;
  }

  static Json zero(const FieldDescriptor& field) { return field.is_repeated() ? Json() : zero_of_one(field); }

  static Json zero_of_one(const FieldDescriptor& field) {
    switch (form_of(field)) {
      case Form::Text:
        return "";
      case Form::Boolean:
        return false;
      case Form::Integer:
      case Form::Number:
      case Form::IntOrString:
        return 0;
      case Form::Quantity:
        return "0";
      case Form::Object: {
        Json out = Json::object();
        each_member(*field.message_type(), [&](const FieldDescriptor& inner) {
          if (always_written(inner)) out[inner.json_name()] = zero(inner);
        });
        return out;
      }
      default:
        return nullptr;  // times, embedded objects
    }
  }

  std::string path_;                // "spec.containers[0]"
  std::vector<std::string> names_;  // "spec", "containers"
  std::vector<std::string> unknown_;
};

}  // namespace

base::Result<std::vector<std::string>> Schema::conform(Json& document) const {
  Walk walk;
  TRY(walk.object(document, type_));
  return walk.take_unknown();
}

}  // namespace objects
