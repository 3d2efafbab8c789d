// SPDX-License-Identifier: Apache-2.0
#include "proxy/admin/redact.h"

#include "proxy/runtime/messages.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/struct.pb.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace proxy {
namespace {

namespace pb = google::protobuf;
using Field = pb::FieldDescriptor;

constexpr char kRedacted[] = "[redacted]";
constexpr int kDeepest = kDeepestMessage;

// Those fields that carry (udpa.annotations.sensitive) = true in Envoy's schemas.
bool is_sensitive(const Field& field) {
  static constexpr std::string_view kSensitive[] = {
      "envoy.config.core.v3.GrpcService.GoogleGrpc.SslCredentials.private_key",
      "envoy.config.grpc_credential.v3.FileBasedMetadataConfig.secret_data",
      "envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth.credentials",
      "envoy.extensions.filters.http.basic_auth.v3.BasicAuth.users",
      "envoy.extensions.filters.http.ext_authz.v3.CheckSettings.context_extensions",
      "envoy.extensions.transport_sockets.tls.v3.GenericSecret.secret",
      "envoy.extensions.transport_sockets.tls.v3.GenericSecret.secrets",
      "envoy.extensions.transport_sockets.tls.v3.PrivateKeyProvider.typed_config",
      "envoy.extensions.transport_sockets.tls.v3.TlsCertificate.password",
      "envoy.extensions.transport_sockets.tls.v3.TlsCertificate.pkcs12",
      "envoy.extensions.transport_sockets.tls.v3.TlsCertificate.private_key",
      "envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys.keys",
  };
  return std::find(std::begin(kSensitive), std::end(kSensitive), field.full_name()) != std::end(kSensitive);
}

std::string text_of(const pb::Message& message, const char* field) {
  return message.GetReflection()->GetString(message, message.GetDescriptor()->FindFieldByName(field));
}

void redact(pb::Value& value, const pb::Descriptor* type, bool sensitive, int depth);

// A message of this type as a Struct.
void redact(pb::Struct& from, const pb::Descriptor* type, bool sensitive, int depth) {
  // An Any in there has its type beside its fields.
  if (auto it = from.fields().find("@type"); it != from.fields().end()) type = type_named(it->second.string_value());
  for (auto& [name, value] : *from.mutable_fields()) {
    if (name == "@type") continue;
    const Field* field = type ? type->FindFieldByName(name) : nullptr;
    if (type && !field) field = type->FindFieldByCamelcaseName(name);
    redact(value, field && !field->is_map() ? field->message_type() : nullptr,
           sensitive || (field && is_sensitive(*field)), depth);
  }
}

void redact(pb::Value& value, const pb::Descriptor* type, bool sensitive, int depth) {
  if (depth > kDeepest) return value.Clear();
  if (value.has_struct_value()) return redact(*value.mutable_struct_value(), type, sensitive, depth + 1);
  if (value.has_list_value()) {
    for (auto& one : *value.mutable_list_value()->mutable_values()) redact(one, type, sensitive, depth + 1);
  } else if (sensitive) {
    value.set_string_value(kRedacted);
  }
}

void redact(pb::Message& message, bool sensitive, int depth);

void redact_field(pb::Message& message, const Field& field, bool sensitive, int depth) {
  const pb::Reflection& reflection = *message.GetReflection();
  if (field.cpp_type() == Field::CPPTYPE_MESSAGE) {
    if (!field.is_repeated()) return redact(*reflection.MutableMessage(&message, &field), sensitive, depth + 1);
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i)
      redact(*reflection.MutableRepeatedMessage(&message, &field, i), sensitive, depth + 1);
    return;
  }
  if (!sensitive) return;
  if (field.cpp_type() != Field::CPPTYPE_STRING) return reflection.ClearField(&message, &field);
  if (!field.is_repeated()) return reflection.SetString(&message, &field, kRedacted);
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i)
    reflection.SetRepeatedString(&message, &field, i, kRedacted);
}

void redact(pb::Message& message, bool sensitive, int depth) {
  if (depth > kDeepest) return message.Clear();
  const std::string name = message.GetDescriptor()->full_name();
  if (name == "google.protobuf.Any") {
    pb::Any any;
    any.CopyFrom(message);
    auto content = content_of(any);
    if (!content && !sensitive) return;
    if (content) redact(*content, sensitive, depth + 1);
    any.set_value(content ? content->SerializeAsString() : std::string());
    return message.CopyFrom(any);
  }
  std::vector<const Field*> fields;
  message.GetReflection()->ListFields(message, &fields);
  if (name == "udpa.type.v1.TypedStruct" || name == "xds.type.v3.TypedStruct") {
    const Field* value = message.GetDescriptor()->FindFieldByName("value");
    auto& inner = *message.GetReflection()->MutableMessage(&message, value);
    pb::Struct as_struct;
    as_struct.CopyFrom(inner);
    redact(as_struct, type_named(text_of(message, "type_url")), sensitive, depth + 1);
    return inner.CopyFrom(as_struct);
  }
  for (const Field* field : fields) {
    if (message.GetDescriptor()->options().map_entry() && field->number() == 1) continue;  // a map's keys are shown
    redact_field(message, *field, sensitive || is_sensitive(*field), depth);
  }
}

}  // namespace

void redact(pb::Message& message) { redact(message, false, 0); }

}  // namespace proxy
