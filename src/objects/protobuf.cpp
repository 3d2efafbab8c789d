// SPDX-License-Identifier: Apache-2.0
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <google/protobuf/message.h>

#include "base/strings.h"
#include "k8s/authentication/v1/authentication.pb.h"
#include "k8s/authorization/v1/authorization.pb.h"
#include "k8s/intstr/int_or_string.pb.h"
#include "k8s/meta/v1/meta.pb.h"
#include "k8s/resource/quantity.pb.h"
#include "k8s/runtime/runtime.pb.h"
#include "objects/member.h"
#include "objects/schema.h"

namespace objects {
namespace {

using google::protobuf::Message;
using google::protobuf::Reflection;

namespace machinery = k8s::io::apimachinery::pkg;

constexpr std::string_view kMagic("k8s\0", 4);

std::string time_text(int64_t seconds) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

// A year that RFC 3339 can write.
bool in_range(int64_t seconds) { return seconds > -62135596800 && seconds < 253402300800; }

Json embedded(const std::string& raw) {
  if (raw.empty()) return nullptr;
  auto parsed = base::parse_json(raw);
  return parsed ? std::move(*parsed) : Json();
}

Json object_of(const Message& message);

// A message as one JSON value.
Json value_of(const Message& message, Form form) {
  switch (form) {
    case Form::Time: {
      const auto& time = static_cast<const machinery::apis::meta::v1::Time&>(message);
      if (!time.has_seconds() || !in_range(time.seconds())) return nullptr;
      return time_text(time.seconds()) + "Z";
    }
    case Form::MicroTime: {
      const auto& time = static_cast<const machinery::apis::meta::v1::MicroTime&>(message);
      if (!time.has_seconds() || !in_range(time.seconds())) return nullptr;
      return fmt::format("{}.{:06}Z", time_text(time.seconds()), time.nanos() / 1000);
    }
    case Form::Quantity:
      return static_cast<const machinery::api::resource::Quantity&>(message).string();
    case Form::IntOrString: {
      const auto& either = static_cast<const machinery::util::intstr::IntOrString&>(message);
      return either.type() == 0 ? Json(either.intval()) : Json(either.strval());
    }
    case Form::TextList:
    case Form::Any: {
      // Each of these messages has one field: the items, or the embedded JSON text.
      const FieldDescriptor* only = message.GetDescriptor()->field(0);
      const Reflection& read = *message.GetReflection();
      if (form == Form::Any)
        return only->type() == FieldDescriptor::TYPE_BYTES ? embedded(read.GetString(message, only)) : Json();
      Json list = Json::array();
      for (int i = 0; i < read.FieldSize(message, only); ++i) list.push_back(read.GetRepeatedString(message, only, i));
      return list;
    }
    default:
      return object_of(message);
  }
}

Json text_or_bytes(const FieldDescriptor& field, const std::string& bytes) {
  return field.type() == FieldDescriptor::TYPE_BYTES ? base::to_base64(bytes) : bytes;
}

Json single(const Message& message, const FieldDescriptor& field) {
  const Reflection& read = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return text_or_bytes(field, read.GetString(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return read.GetBool(message, &field);
    case FieldDescriptor::CPPTYPE_INT32:
      return read.GetInt32(message, &field);
    case FieldDescriptor::CPPTYPE_INT64:
      return read.GetInt64(message, &field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return read.GetUInt32(message, &field);
    case FieldDescriptor::CPPTYPE_UINT64:
      return read.GetUInt64(message, &field);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return read.GetDouble(message, &field);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return value_of(read.GetMessage(message, &field), form_of(field));
    default:
      return nullptr;
  }
}

Json item(const Message& message, const FieldDescriptor& field, int i) {
  const Reflection& read = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return text_or_bytes(field, read.GetRepeatedString(message, &field, i));
    case FieldDescriptor::CPPTYPE_INT32:
      return read.GetRepeatedInt32(message, &field, i);
    case FieldDescriptor::CPPTYPE_INT64:
      return read.GetRepeatedInt64(message, &field, i);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return value_of(read.GetRepeatedMessage(message, &field, i), form_of(field));
    default:
      return nullptr;
  }
}

void add_members(const Message& message, Json& object) {
  std::vector<const FieldDescriptor*> set;
  const Reflection& read = *message.GetReflection();
  read.ListFields(message, &set);
  for (const FieldDescriptor* field : set) {
    if (inlined(*field)) {
      add_members(read.GetMessage(message, field), object);
      continue;
    }
    Json value;
    if (field->is_map()) {
      value = Json::object();
      for (int i = 0; i < read.FieldSize(message, field); ++i) {
        const Message& entry = read.GetRepeatedMessage(message, field, i);
        Json key = single(entry, *field->message_type()->map_key());
        value[key.is_string() ? key.get<std::string>() : key.dump()] = single(entry, value_field(*field));
      }
    } else if (field->is_repeated()) {
      value = Json::array();
      for (int i = 0; i < read.FieldSize(message, field); ++i) value.push_back(item(message, *field, i));
    } else {
      value = single(message, *field);
    }
    // Kubernetes sends "" for what is not set.
    bool unset =
        value.is_null() || (value.is_string() && value.get_ref<const std::string&>().empty() && !nullable(*field));
    if (!unset) object[field->json_name()] = std::move(value);
  }
}

Json object_of(const Message& message) {
  Json object = Json::object();
  add_members(message, object);
  return object;
}

Kind kind_of(const std::string& api_version, const std::string& kind) {
  auto pieces = base::cut(api_version, '/');
  if (!pieces) return {"", api_version, kind};
  return {std::string(pieces->first), std::string(pieces->second), kind};
}

}  // namespace

base::Result<Json> json_of_protobuf(std::string_view body) {
  if (!body.starts_with(kMagic))
    return base::fail(base::ErrorKind::Invalid, "the body does not begin as Kubernetes' protobuf form does (k8s\\0)");
  body.remove_prefix(kMagic.size());
  machinery::runtime::Unknown envelope;
  if (body.size() > INT32_MAX || !envelope.ParseFromArray(body.data(), static_cast<int>(body.size())))
    return base::fail(base::ErrorKind::Invalid, "the protobuf envelope of the body does not parse");
  if (!envelope.contentencoding().empty())
    return base::fail(base::ErrorKind::Invalid,
                      "the body's content encoding " + envelope.contentencoding() + " is unknown");
  const std::string& api_version = envelope.typemeta().apiversion();
  const std::string& kind = envelope.typemeta().kind();
  const Schema* schema = find_schema(kind_of(api_version, kind));
  if (!schema && kind == "DeleteOptions") schema = find_schema({"meta.k8s.io", "v1", kind});
  if (!schema)
    return base::fail(base::ErrorKind::NotFound,
                      fmt::format("no kind \"{}\" is known for version \"{}\"", kind, api_version));
  std::unique_ptr<Message> message(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(&schema->type())->New());
  if (!message->ParseFromString(envelope.raw()))
    return base::fail(base::ErrorKind::Invalid, "the body is no " + kind + " in protobuf form");
  Json document = object_of(*message);
  document["apiVersion"] = api_version;
  document["kind"] = kind;
  return document;
}

}  // namespace objects
