// SPDX-License-Identifier: Apache-2.0
#include <google/protobuf/util/json_util.h>

#include <algorithm>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "proxy/runtime/compile.h"
#include "udpa/type/v1/typed_struct.pb.h"
#include "xds/type/v3/typed_struct.pb.h"

namespace proxy {
namespace {

std::string_view name_in(std::string_view type_url) {
  size_t slash = type_url.rfind('/');
  return slash == type_url.npos ? type_url : type_url.substr(slash + 1);
}

constexpr std::string_view kTypedStructs[] = {"udpa.type.v1.TypedStruct", "xds.type.v3.TypedStruct"};

// Both messages have the same fields.
std::optional<udpa::type::v1::TypedStruct> typed_struct(const google::protobuf::Any& from) {
  std::string_view name = name_in(from.type_url());
  if (name != kTypedStructs[0] && name != kTypedStructs[1]) return std::nullopt;
  udpa::type::v1::TypedStruct out;
  if (!out.ParseFromString(from.value())) return std::nullopt;
  return out;
}

}  // namespace

std::string type_of(const google::protobuf::Any& from) {
  if (auto wrapped = typed_struct(from)) return std::string(name_in(wrapped->type_url()));
  return std::string(name_in(from.type_url()));
}

std::unexpected<base::Error> no_implementation(const std::string& name, const google::protobuf::Any& from) {
  return base::fail(base::ErrorKind::Invalid, "Didn't find a registered implementation for '" + name +
                                                  "' with type URL: '" + type_of(from) + "'");
}

// Fields of a TypedStruct that are not known.
enum class Unknown : uint8_t { Refuse, Warn, Pass };

static base::Result<void> unpack_with(const google::protobuf::Any& from, google::protobuf::Message& to,
                                      Unknown unknown) {
  std::string type = type_of(from);
  if (type != to.GetTypeName())
    return base::fail(base::ErrorKind::Invalid, "unexpected type " + type + " where " + to.GetTypeName() + " belongs");
  if (auto wrapped = typed_struct(from)) {
    std::string json;
    google::protobuf::util::JsonParseOptions options;
    auto written = google::protobuf::util::MessageToJsonString(wrapped->value(), &json);
    auto read = written.ok() ? google::protobuf::util::JsonStringToMessage(json, &to, options) : written;
    if (!read.ok() && unknown != Unknown::Refuse) {  // what is not known is left out
      std::string why(read.message());
      options.ignore_unknown_fields = true;
      to.Clear();
      read = google::protobuf::util::JsonStringToMessage(json, &to, options);
      if (read.ok() && unknown == Unknown::Warn) base::log::warn("TypedStruct of {}: {}", type, why);
    }
    if (!read.ok())
      return base::fail(base::ErrorKind::Invalid,
                        "cannot read the TypedStruct as " + type + ": " + std::string(read.message()));
    return {};
  }
  if (!to.ParseFromString(from.value())) return base::fail(base::ErrorKind::Invalid, "malformed " + type);
  return {};
}

base::Result<void> unpack_into(const google::protobuf::Any& from, google::protobuf::Message& to) {
  return unpack_with(from, to, Unknown::Warn);
}

base::Result<void> unpack_quietly_into(const google::protobuf::Any& from, google::protobuf::Message& to) {
  return unpack_with(from, to, Unknown::Pass);
}

static base::Result<void> refuse_unknown(const google::protobuf::Message& message) {
  const auto* reflection = message.GetReflection();
  if (const auto& unknown = reflection->GetUnknownFields(message); !unknown.empty())
    return base::fail(base::ErrorKind::Invalid, "field number " + std::to_string(unknown.field(0).number()) + " of " +
                                                    message.GetTypeName() + " is not known");
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const auto* field : fields) {
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      TRY(refuse_unknown(reflection->GetMessage(message, field)));
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(message, field); ++i)
      TRY(refuse_unknown(reflection->GetRepeatedMessage(message, field, i)));
  }
  return {};
}

base::Result<void> unpack_strictly_into(const google::protobuf::Any& from, google::protobuf::Message& to) {
  TRY(unpack_with(from, to, Unknown::Refuse));
  return refuse_unknown(to);
}

std::chrono::milliseconds milliseconds_of(const google::protobuf::Duration& from) {
  constexpr int64_t kLongest = 100ll * 366 * 24 * 3600;  // as good as for ever, and no clock's sum with it overflows
  const int64_t seconds = std::clamp<int64_t>(from.seconds(), -kLongest, kLongest);
  return std::chrono::seconds(seconds) + std::chrono::milliseconds(from.nanos() / 1'000'000);
}

uint32_t per_million(const envoy::type::v3::FractionalPercent& from) {
  uint64_t scale = 10'000;  // HUNDRED
  if (from.denominator() == envoy::type::v3::FractionalPercent::TEN_THOUSAND) scale = 100;
  if (from.denominator() == envoy::type::v3::FractionalPercent::MILLION) scale = 1;
  return static_cast<uint32_t>(std::min<uint64_t>(from.numerator() * scale, 1'000'000));
}

std::shared_ptr<const SubsetCriteria> subset_of(const core::Metadata& metadata,
                                                const std::shared_ptr<const SubsetCriteria>& base) {
  auto it = metadata.filter_metadata().find("envoy.lb");
  if (it == metadata.filter_metadata().end()) return base;
  return std::make_shared<const SubsetCriteria>(json_of(it->second), base.get());
}

std::string_view string_field(const google::protobuf::Struct& from, const std::string& name) {
  auto it = from.fields().find(name);
  return it == from.fields().end() ? std::string_view() : std::string_view(it->second.string_value());
}

base::Result<std::shared_ptr<const Metadata>> about_of(const core::Metadata& metadata, Known known) {
  const auto& spaces = metadata.filter_metadata();
  if (spaces.empty()) return nullptr;
  if (known == Known::IstioConfig && spaces.size() == 1 && spaces.begin()->first == "istio" &&
      spaces.begin()->second.fields_size() == 1 && spaces.begin()->second.fields().contains("config"))
    return nullptr;
  auto out = std::make_shared<Metadata>();
  for (const auto& [name, object] : spaces) {
    std::string json;
    if (!google::protobuf::util::MessageToJsonString(object, &json).ok())
      return base::fail(base::ErrorKind::Invalid, "metadata " + name + " cannot be read");
    out->merge(name, TRY(base::parse_json(json)));
  }
  return out;
}

std::string origin_of(const core::Metadata& metadata) {
  auto it = metadata.filter_metadata().find("istio");
  return it == metadata.filter_metadata().end() ? std::string() : std::string(string_field(it->second, "config"));
}

bool is_silent(const google::protobuf::Any& network_filter) {
  const std::string type = type_of(network_filter);
  return type == "envoy.tcp.metadataexchange.config.MetadataExchange" || type == "stats.PluginConfig";
}

base::Result<net::Address> compile(const core::Address& from) {
  if (from.has_pipe()) {
    if (from.pipe().path().empty()) return base::fail(base::ErrorKind::Invalid, "a pipe address without a path");
    return net::Address::unix_path(from.pipe().path());
  }
  if (!from.has_socket_address())
    return base::fail(base::ErrorKind::Invalid, "an address that is neither a socket's nor a pipe's");
  const auto& socket = from.socket_address();
  if (!socket.named_port().empty())
    return base::fail(base::ErrorKind::Invalid,
                      "named_port \"" + socket.named_port() + "\": names of ports are not known");
  if (socket.port_value() > 65535)
    return base::fail(base::ErrorKind::Invalid, "port " + std::to_string(socket.port_value()) + " is above 65535");
  auto out = net::Address::parse(socket.address(), static_cast<uint16_t>(socket.port_value()));
  if (!out) out.error().message += "; names stand in clusters of type STRICT_DNS or LOGICAL_DNS only";
  return out;
}

base::Result<std::string> compile(const core::DataSource& from) {
  if (from.has_inline_string()) return from.inline_string();
  if (from.has_inline_bytes()) return from.inline_bytes();
  if (from.has_environment_variable()) {
    const char* value = getenv(from.environment_variable().c_str());
    if (!value)
      return base::fail(base::ErrorKind::NotFound,
                        "environment variable " + from.environment_variable() + " is not set");
    return std::string(value);
  }
  if (from.has_filename()) return base::read_file(from.filename());
  return std::string();
}

}  // namespace proxy
